import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Claim } from '../../src/core/report.ts'
import type { Subject } from '../../src/core/subject.ts'
import { createOurs } from '../../src/daemon/ours.ts'
import { createOwnUpkeep, OWN_UPKEEP } from '../../src/daemon/own-upkeep.ts'
import { decodeEnvelope, decodeReport } from '../../src/wire/codec.ts'
import { claimOf, createPeer, NETWORK, seal } from '../support/peers.ts'
import { createStand, NOW, trusting } from './stand.ts'

const HOST = '198.51.100.7'
const SECONDS = NOW / 1000
const DAY = 24 * 3600
const WEEK = 7 * DAY

function createNode(bounds: Partial<Record<keyof typeof OWN_UPKEEP, number>> = {}) {
  const stand = createStand([])
  const now = (): number => stand.clock.now
  const { ledger, ingest, self } = stand
  const ours = createOurs({
    ledger,
    ingest,
    self: self.id,
    network: NETWORK,
    signingKey: self.key,
    now,
    failed: assert.ifError
  })
  const upkeep = createOwnUpkeep({ review: ingest.review, ledger, ours, maxBanTime: () => WEEK, now }, {
    ...OWN_UPKEEP,
    ...bounds
  } as never)
  const said = (): Claim[][] =>
    stand.relayed.map((bytes) => {
      const opened = decodeEnvelope(bytes)
      assert(opened.ok)
      const report = decodeReport(opened.value.reportBytes)
      assert(report.ok)
      return [...report.value.claims]
    })
  return { ...stand, ours, upkeep, said }
}

test('a permanent ban of fail2ban is renewed before its claim ends, for as long as it lasts, and no more once lifted', async () => {
  const node = createNode()
  const forever = 253_402_300_799
  await node.ours.say(claimOf(HOST, { until: SECONDS + WEEK }), 'fail2ban', forever)
  await node.upkeep()
  assert.equal(node.said().length, 1)
  for (let day = 1; day <= 30; day++) {
    node.clock.now += DAY * 1000
    await node.upkeep()
    assert.equal(node.ledger.bans(HOST as Subject, node.clock.now / 1000).length, 1, `day ${day}`)
  }
  const renewals = node.said().length
  assert(renewals > 5 && renewals < 12, `${renewals} reports in 30 days`)
  await node.ours.lift(HOST as Subject, 'sshd', 'fail2ban')
  node.clock.now += 5 * DAY * 1000
  await node.upkeep()
  assert.equal(node.said().length, renewals + 1)
  assert.equal(node.said().at(-1)?.[0]?.kind, 'unban')
})

test('a ban that outlasts one claim is renewed up to its true end and not beyond', async () => {
  const node = createNode()
  await node.ours.say(claimOf(HOST, { until: SECONDS + WEEK }), 'fail2ban', SECONDS + 10 * DAY)
  node.clock.now += 5 * DAY * 1000
  await node.upkeep()
  assert.equal(node.said().at(-1)?.[0]?.until, SECONDS + 10 * DAY)
  node.clock.now += 6 * DAY * 1000
  await node.upkeep()
  assert.equal(node.said().length, 2)
})

test('a ban that is shorter than an earlier word of ours is followed by a lift that lasts as long as that word', async () => {
  const node = createNode()
  await node.ours.say(claimOf(HOST, { until: SECONDS + WEEK }), 'command')
  await node.ours.say(claimOf(HOST, { until: SECONDS + 60 }), 'command')
  await node.upkeep()
  assert.equal(node.said().length, 2)
  node.clock.now += 60_000
  await node.upkeep()
  assert.deepEqual(node.said().at(-1), [claimOf(HOST, { kind: 'unban', until: SECONDS + WEEK })])
  await node.upkeep()
  assert.equal(node.said().length, 3)
})

test('a node that heard only the longer ban lets go when it hears the lift, and a replay of the ban changes nothing', async () => {
  const node = createNode()
  await node.ours.say(claimOf(HOST, { until: SECONDS + WEEK }), 'command')
  await node.ours.say(claimOf(HOST, { until: SECONDS + 60 }), 'command')
  const late = createStand([trusting(node.self, 100)])
  await late.ingest(node.relayed[0]!, node.self.id)
  assert.equal(late.verdicts.get(HOST as Subject)?.accepted, true)
  node.clock.now = late.clock.now += 120_000
  await node.upkeep()
  await late.ingest(node.relayed.at(-1)!, node.self.id)
  assert.equal(late.verdicts.get(HOST as Subject), null)
  for (const replayed of node.relayed) await late.ingest(replayed, node.self.id)
  assert.equal(late.verdicts.get(HOST as Subject), null)
})

test('thousands of small reports become a few large ones, and every claim stays as it was', async () => {
  const node = createNode({ smallReports: 100 })
  const subjects = Array.from({ length: 250 }, (_, i) => `203.0.113.${i}`)
  for (const subject of subjects) {
    await node.ours.say(claimOf(subject, { until: SECONDS + DAY }), Number(subject.at(-1)) % 2 ? 'command' : 'fail2ban')
  }
  await node.ours.lift(subjects[0] as Subject, null, 'fail2ban')
  const state = () => subjects.map((subject) => node.ledger.ownClaims.get(subject as Subject, 'sshd'))
  const before = state()
  assert.equal(node.ledger.counts().reports, 250)
  await node.upkeep()
  assert.deepEqual(node.ledger.counts(), { reports: 2, claims: 250 })
  assert.deepEqual(state(), before)
  await node.upkeep()
  assert.equal(node.said().length, 253)
})

test('so many small reports are left alone, and one more is not', async () => {
  for (const [reports, after] of [
    [100, 100],
    [101, 1]
  ] as const) {
    const node = createNode({ smallReports: 100 })
    for (let i = 0; i < reports; i++)
      await node.ours.say(claimOf(`203.0.113.${i}`, { until: SECONDS + DAY }), 'command')
    await node.upkeep()
    assert.equal(node.ledger.counts().reports, after)
  }
})

test('claims that are said in one go share reports of a thousand', async () => {
  const node = createNode()
  const all = Array.from({ length: 1500 }, (_, i) => claimOf(`10.0.${i >> 8}.${i & 255}`, { until: SECONDS + DAY }))
  await Promise.all(all.map((claim) => node.ours.say(claim, 'command')))
  assert.deepEqual(
    node.said().map((claims) => claims.length),
    [1000, 500]
  )
})

test('a lift that follows its ban at once lifts it, and a ban after that lift stands', async () => {
  const node = createNode()
  const ban = claimOf(HOST, { until: SECONDS + DAY })
  await Promise.all([
    node.ours.say(ban, 'fail2ban'),
    node.ours.lift(HOST as Subject, 'sshd', 'fail2ban'),
    node.ours.say({ ...ban, until: SECONDS + 60 }, 'fail2ban')
  ])
  assert.deepEqual(
    node.said().map(([claim]) => claim?.kind),
    ['ban', 'unban', 'ban']
  )
  assert.equal((await node.ours.lift('198.51.100.9' as Subject, null, 'command')).reportId, null)
})

test("what of ours has ended already is refused like anybody else's", async () => {
  const { outcome } = await createNode().ours.say(claimOf(HOST, { until: SECONDS }), 'command')
  assert.deepEqual(outcome, { kind: 'refused', reason: 'expired' })
})

test('what was said by a clock that was ahead by days is said again once the clock is right, bans and lifts', async () => {
  const node = createNode()
  const right = node.clock.now
  node.clock.now = right + 400 * DAY * 1000
  const until = node.clock.now / 1000 + DAY
  await node.ours.say(claimOf(HOST, { until }), 'command')
  await node.ours.say(claimOf('203.0.113.9', { until }), 'command')
  await node.ours.lift('203.0.113.9' as Subject, null, 'command')
  node.clock.now = right
  const before = node.relayed.length
  await node.upkeep()
  const again = node.relayed.slice(before).map((bytes) => {
    const opened = decodeEnvelope(bytes)
    assert(opened.ok)
    const report = decodeReport(opened.value.reportBytes)
    assert(report.ok)
    return report.value
  })
  assert.deepEqual(again.flatMap(({ claims }) => claims.map(({ kind, subject }) => `${kind} ${subject}`)).toSorted(), [
    `ban ${HOST}`,
    'unban 203.0.113.9'
  ])
  for (const { issuedAt, claims } of again) {
    assert.ok(issuedAt >= right && issuedAt < right + 1000, 'friends take it')
    for (const claim of claims) assert.ok(claim.until * 1000 <= issuedAt + 366 * DAY * 1000)
  }
  await node.upkeep()
  assert.equal(node.relayed.length, before + again.length, 'once')
})

test('if others have spoken then as well, it is our clock that is behind, and nothing is taken back', async () => {
  const bob = createPeer()
  const node = createNode()
  node.friends.replace([trusting(bob, 90)])
  const right = node.clock.now
  await node.ours.say(claimOf(HOST, { until: right / 1000 + DAY }), 'command')
  await node.ingest(seal(bob, { issuedAt: right, claims: [claimOf(HOST, { until: right / 1000 + DAY })] }), bob.id)
  const before = node.relayed.length
  node.clock.now = right - 30 * DAY * 1000
  await node.upkeep()
  assert.equal(node.relayed.length, before)
  assert.equal(node.ledger.counts().reports, 2)
})

test('while our clock is behind our last word by less, what we say is kept, and friends take it when its time has come', async () => {
  const node = createNode()
  node.clock.now += 3600 * 1000
  await node.ours.say(claimOf(HOST, { until: SECONDS + DAY }), 'command')
  node.clock.now -= 3600 * 1000
  const { outcome } = await node.ours.say(claimOf('203.0.113.9', { until: SECONDS + DAY }), 'command')
  assert.equal(outcome?.kind, 'accepted')
  await node.upkeep()
  assert.equal(node.ledger.counts().reports, 2)
})
