import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Claim } from '../../src/core/report.ts'
import type { Subject } from '../../src/core/subject.ts'
import { claimOf, createPeer, seal } from '../support/peers.ts'
import { createStand, NOW, trusting } from './stand.ts'

const HOST = '198.51.100.7' as Subject
const SECONDS = NOW / 1000

const bob = createPeer()
const dave = createPeer()

function say(change: Partial<Claim> = {}, origin = bob, issuedAt = NOW): Uint8Array {
  return seal(origin, { issuedAt, claims: [claimOf(HOST, { until: SECONDS + 3600, ...change })] })
}

test("a friend's own ban is handed over once, however many reports follow (fail2ban-p2p bug 5)", async () => {
  const node = createStand([trusting(bob, 80), trusting(dave, 80)])
  await node.ingest(say(), bob.id)
  const first = node.handedOver()
  assert.deepEqual(first, [
    { subject: HOST, action: 'ban', until: SECONDS + 3600, jail: 'sshd', score: 800_000, origins: 1, sequence: 1 }
  ])
  node.outbox.done('log', first)
  await node.ingest(say({}, dave), dave.id)
  await node.ingest(say({ jail: 'nginx' }, dave, NOW + 1), dave.id)
  assert.deepEqual(node.handedOver(), [])
  assert.equal(node.verdicts.get(HOST)?.score, 960_000)
})

test('a target that follows the time hears of every new end, and the others do not', async () => {
  const node = createStand([trusting(bob, 80), trusting(dave, 80)])
  const told = (target: 'log' | 'nftables') => {
    const entries = node.outbox.pending(target, 10)
    node.outbox.done(target, entries)
    return entries.map(({ action, until }) => `${action} ${until - SECONDS}`)
  }
  await node.ingest(say({ until: SECONDS + 60 }), bob.id)
  assert.deepEqual([told('log'), told('nftables')], [['ban 60'], ['ban 60']])
  await node.ingest(say({ until: SECONDS + 600 }, bob, NOW + 1), bob.id)
  assert.deepEqual([told('log'), told('nftables')], [[], ['ban 600']])
  await node.ingest(say({ until: SECONDS + 30 }, bob, NOW + 2), bob.id)
  assert.deepEqual([told('log'), told('nftables')], [[], ['ban 30']])
  // Nothing of it is new for anybody.
  await node.ingest(say({ until: SECONDS + 20 }, dave, NOW + 3), dave.id)
  assert.deepEqual([told('log'), told('nftables')], [[], []])
  await node.ingest(say({ kind: 'unban', until: SECONDS + 30 }, bob, NOW + 4), bob.id)
  await node.ingest(say({ kind: 'unban', until: SECONDS + 20 }, dave, NOW + 4), dave.id)
  assert.deepEqual([told('log').length, told('nftables').length], [1, 1])
})

test('a jail that is for some verdicts gets those, loses one that becomes another, and never hears of the rest', async () => {
  const node = createStand([trusting(bob, 80), trusting(dave, 80)])
  const told = (): string[] => {
    const entries = node.outbox.pending('fail2ban:web-mesh', 10)
    node.outbox.done('fail2ban:web-mesh', entries)
    return entries.map(({ action, jail }) => `${action} ${jail}`)
  }
  await node.ingest(say({ jail: 'web' }), bob.id)
  assert.equal(node.verdicts.get(HOST)?.localJail, 'web-mesh')
  assert.deepEqual(told(), ['ban web'])
  // As strong, and before it in the alphabet.
  await node.ingest(say({ jail: 'sshd' }, dave, NOW + 1), dave.id)
  assert.equal(node.verdicts.get(HOST)?.localJail, null)
  assert.deepEqual(told(), ['unban web'])
  await node.ingest(say({ jail: 'sshd', kind: 'unban' }, dave, NOW + 2), dave.id)
  assert.deepEqual(told(), ['ban web'])
})

test('a verdict ends when its evidence does, and the hand-off is told', async () => {
  const node = createStand([trusting(bob, 80)])
  await node.ingest(say({ until: SECONDS + 10 }), bob.id)
  assert.equal(node.verdicts.get(HOST)?.reviewAt, SECONDS + 10)
  assert.deepEqual(node.verdicts.due(SECONDS + 9, 10), [])
  node.clock.now += 10_000
  await node.ingest.review(node.verdicts.due(SECONDS + 10, 10))
  assert.equal(node.verdicts.get(HOST), null)
  assert.deepEqual(
    node.handedOver().map(({ action }) => action),
    ['unban']
  )
})

test('a lift by the origin ends the verdict; a lift by somebody else does not', async () => {
  const node = createStand([trusting(bob, 80), trusting(dave, 80)])
  await node.ingest(say(), bob.id)
  await node.ingest(say({ kind: 'unban' }, dave, NOW + 1), dave.id)
  assert.equal(node.verdicts.get(HOST)?.accepted, true)
  await node.ingest(say({ kind: 'unban' }, bob, NOW + 1), bob.id)
  assert.equal(node.verdicts.get(HOST), null)
})

test('what our fail2ban banned is believed but not handed back to it; what the operator banned is handed over', async () => {
  const node = createStand([])
  const own = (change: Partial<Claim>, at: number): Uint8Array =>
    seal(node.self, { issuedAt: at, claims: [claimOf(HOST, { until: SECONDS + 60, ...change })] })
  await node.ingest.own(own({}, NOW), 'fail2ban')
  assert.equal(node.verdicts.get(HOST)?.accepted, true)
  assert.equal(node.verdicts.get(HOST)?.own, true)
  assert.deepEqual(node.handedOver(), [])
  await node.ingest.own(own({ jail: 'manual' }, NOW + 1), 'command')
  assert.deepEqual(
    node.handedOver().map(({ action, score }) => [action, score]),
    [['ban', 1_000_000]]
  )
})

test('what the operator banned ends when it becomes protected, and comes back; what our fail2ban banned it has', async () => {
  const node = createStand([])
  const own = (jail: string, at: number): Uint8Array =>
    seal(node.self, { issuedAt: at, claims: [claimOf(HOST, { jail, until: SECONDS + 60 })] })
  await node.ingest.own(own('manual', NOW), 'command')
  const judged = async (protectedBy: 'allowlisted' | 'friend-address' | null): Promise<unknown[]> => {
    node.guard.protectedBy = () => protectedBy
    await node.ingest.review([HOST])
    const { accepted, reason, handOff, until } = node.verdicts.get(HOST)!
    return [accepted, reason, handOff, until - SECONDS, node.handedOver().at(-1)?.action]
  }
  assert.deepEqual(await judged(null), [true, 'own', true, 60, 'ban'])
  assert.deepEqual(await judged('allowlisted'), [false, 'allowlisted', false, 60, 'unban'])
  assert.deepEqual(await judged(null), [true, 'own', true, 60, 'ban'])
  // Others could bring that about.
  assert.deepEqual(await judged('friend-address'), [true, 'own', true, 60, 'ban'])
  await node.ingest.own(own('sshd', NOW + 1), 'fail2ban')
  assert.deepEqual(await judged('allowlisted'), [true, 'own', false, 60, 'unban'])
})

test('a friend in observe mode convinces nobody, and why says so', async () => {
  const node = createStand([{ ...trusting(bob, 80), observe: true }])
  await node.ingest(say(), bob.id)
  const verdict = node.verdicts.get(HOST)
  assert.deepEqual([verdict?.accepted, verdict?.reason], [false, 'observed'])
  assert.deepEqual(node.handedOver(), [])
  assert.deepEqual(node.relayed, [])
})

test('evidence of a friend who is removed or paused counts no longer, and counts again when it is back', async () => {
  const node = createStand([trusting(bob, 80)])
  await node.ingest(say(), bob.id)
  for (const absent of [[], [{ ...trusting(bob, 80), paused: true }]]) {
    node.friends.replace(absent)
    await node.ingest.review([HOST])
    assert.equal(node.verdicts.get(HOST), null)
    node.friends.replace([trusting(bob, 80)])
    await node.ingest.review([HOST])
    assert.equal(node.verdicts.get(HOST)?.accepted, true)
  }
})

test('what is protected is judged, held with the reason, and never handed over', async () => {
  const node = createStand([trusting(bob, 100)])
  node.guard.protectedBy = () => 'allowlisted'
  await node.ingest(say(), bob.id)
  const verdict = node.verdicts.get(HOST)
  assert.deepEqual([verdict?.accepted, verdict?.reason, verdict?.handOff], [false, 'allowlisted', false])
  assert.deepEqual(node.handedOver(), [])
  node.guard.protectedBy = () => null
  await node.ingest.review([HOST])
  assert.equal(node.verdicts.get(HOST)?.accepted, true)
})

test('a flood of one friend does not keep the ban of another waiting', async () => {
  const node = createStand([trusting(bob, 80), trusting(dave, 80)])
  const flood = Array.from({ length: 500 }, (_, i) => `2001:db8::${(i + 1).toString(16)}` as Subject)
  const claims = flood.map((subject) => claimOf(subject, { until: SECONDS + 3600 }))
  await node.ingest(seal(bob, { issuedAt: NOW, claims }), bob.id)
  await node.ingest(say({}, dave), dave.id)
  assert.deepEqual(
    node.outbox.pending('log', 2).map(({ subject }) => subject),
    [flood[0], HOST]
  )
})
