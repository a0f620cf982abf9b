/** What one friend may cost the others: places in the queue, bytes, claims about one subject, time of the event loop. */
import assert from 'node:assert/strict'
import crypto from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'
import { mock, test } from 'node:test'
import type { Subject } from '../../src/core/subject.ts'
import type { Outcome } from '../../src/daemon/outcome.ts'
import { encodeEnvelope, encodeReport } from '../../src/wire/codec.ts'
import { signReport } from '../../src/wire/signature.ts'
import { claimOf, createPeer, NETWORK, seal, type Peer } from '../support/peers.ts'
import { createStand, NOW, trusting, type Stand } from './stand.ts'

const bob = createPeer()
const carol = createPeer()
const UNTIL = NOW / 1000 + 3600

function ban(origin: Peer, number: number, issuedAt = NOW): Uint8Array {
  return seal(origin, { issuedAt, claims: [claimOf(`198.51.${number >> 8}.${number & 255}`, { until: UNTIL })] })
}

const by = (outcome: Outcome): string => (outcome.kind === 'refused' ? outcome.reason : outcome.kind)

test('a friend may fill its share of the queue and no more, and another friend still gets in, and in turn', async () => {
  const node = createStand([trusting(bob, 80), trusting(carol, 80)], { queue: 100, friendQueue: 10 })
  const order: string[] = []
  const flood = Array.from({ length: 12 }, (_, i) =>
    node.ingest(ban(bob, i), bob.id).then((o) => (order.push('bob'), o))
  )
  const honest = node.ingest(ban(carol, 99), carol.id).then((o) => (order.push('carol'), o))
  const outcomes = await Promise.all(flood)
  assert.deepEqual(outcomes.map(by), [...Array.from({ length: 10 }, () => 'accepted'), 'over-rate', 'over-rate'])
  assert.equal(by(await honest), 'accepted')
  assert.deepEqual(
    order.filter((_, i) => i >= 2).indexOf('carol'),
    1,
    'after those that were refused at once and the first of bob'
  )
})

test('a queue that others have filled still has one place for every friend who has none', async () => {
  const node = createStand([trusting(bob, 80), trusting(carol, 80)], { queue: 3 })
  const from = [bob, bob, bob, bob, carol, carol]
  const outcomes = await Promise.all(from.map((friend, i) => node.ingest(ban(friend, i), friend.id)))
  assert.deepEqual(outcomes.map(by), ['accepted', 'accepted', 'accepted', 'queue-full', 'accepted', 'queue-full'])
})

test('the bytes of a friend in the queue are bounded too, but one envelope always fits', async () => {
  const size = ban(bob, 0).length
  const node = createStand([trusting(bob, 80)], { friendQueueBytes: 2 * size })
  const outcomes = await Promise.all([0, 1, 2].map((i) => node.ingest(ban(bob, i), bob.id)))
  assert.deepEqual(outcomes.map(by), ['accepted', 'accepted', 'over-rate'])
  const small = createStand([trusting(bob, 80)], { friendQueueBytes: 1 })
  assert.equal(by(await small.ingest(ban(bob, 0), bob.id)), 'accepted')
})

test('of a friend who is shut out nothing is decoded, and nothing is taken', async () => {
  const node = createStand([trusting(bob, 80)])
  node.shutOut.add(bob.id)
  assert.equal(by(await node.ingest(Uint8Array.of(0xff), bob.id)), 'breaker')
  assert.equal(by(await node.ingest(ban(bob, 0), bob.id)), 'breaker')
  node.shutOut.clear()
  assert.equal(by(await node.ingest(ban(bob, 0), bob.id)), 'accepted')
})

test('large reports of which one claim is left count with all their bytes', async () => {
  const claims = (from: number) =>
    Array.from({ length: 100 }, (_, i) => claimOf(`198.51.100.${i === 0 ? from : i + 100}`, { until: UNTIL }))
  const report = (n: number) => seal(bob, { issuedAt: NOW + n, claims: claims(n) })
  const size = encodeReport({ origin: bob.id, issuedAt: NOW, claims: claims(0) }).length
  const node = createStand([trusting(bob, 80)], { claimsPerFriend: 1e6, bytesPerFriend: 5 * size })
  const outcomes: string[] = []
  for (let n = 0; n < 8; n++) outcomes.push(by(await node.ingest(report(n), bob.id)))
  assert.deepEqual(outcomes, [...Array.from({ length: 5 }, () => 'accepted'), 'over-quota', 'over-quota', 'over-quota'])
  assert.deepEqual(node.ledger.broughtBy(bob.id), { claims: 104, bytes: 5 * size })
  node.ledger.forgetCaches()
  assert.deepEqual(node.ledger.broughtBy(bob.id), { claims: 104, bytes: 5 * size }, 'counted anew')
  node.ledger.expire(UNTIL, 100)
  assert.deepEqual(node.ledger.broughtBy(bob.id), { claims: 0, bytes: 0 })
})

test('a friend may bring so many claims about one subject; those beyond are left out, and another friend is heard', async () => {
  const node = createStand([trusting(bob, 50), trusting(carol, 80)], {
    claimsPerSubject: 200,
    queue: 1e6,
    friendQueue: 1e6
  })
  const about = (via: Peer) => {
    const origin = createPeer()
    return seal(
      origin,
      { issuedAt: NOW, claims: [claimOf('198.51.100.7', { until: UNTIL })] },
      { hops: [{ peer: via.id, trust: 900_000 }] }
    )
  }
  const outcomes: string[] = []
  for (let i = 0; i < 202; i++) {
    // So many claims about a subject are judged once a second.
    node.clock.now += 1000
    outcomes.push(by(await node.ingest(about(bob), bob.id)))
  }
  assert.deepEqual(outcomes.slice(199), ['accepted', 'crowded', 'crowded'])
  assert.equal(by(await node.ingest(about(carol), carol.id)), 'accepted')
  const subject = '198.51.100.7' as Subject
  assert.equal(node.verdicts.get(subject)?.origins, 201)
  // Bob's crowd weighs what bob is trusted, and carol's word comes on top.
  assert.equal(node.verdicts.get(subject)?.score, 860_000)
})

test('a subject with many claims is judged once a second, however fast more come, and one with few at once', async () => {
  const node = createStand([trusting(bob, 80)], { queue: 1e6, friendQueue: 1e6 })
  let judged = 0
  const subject = '198.51.100.7' as Subject
  const put = node.verdicts.put
  node.verdicts.put = (verdict) => {
    judged += Number(verdict.subject === subject)
    put(verdict)
  }
  const more = (n: number) => {
    const claims = [claimOf(subject, { until: UNTIL }), claimOf(`203.0.113.${n}`, { until: UNTIL })]
    const hops = [{ peer: bob.id, trust: 900_000 }]
    return node.ingest(seal(createPeer(), { issuedAt: NOW, claims }, { hops }), bob.id)
  }
  for (let i = 0; i < 110; i++) await more(i)
  const before = judged
  for (let i = 110; i < 120; i++) await more(i)
  assert.equal(judged, before)
  assert.equal(node.verdicts.get('203.0.113.119' as Subject)?.origins, 1)
  node.clock.now += 1000
  await more(120)
  assert.equal(judged, before + 1)
  assert.equal(node.verdicts.get(subject)?.origins, 121)
})

test('judging a thousand subjects with a hundred claims each is spread over turns, our own word is judged at once', async () => {
  const node = createStand([trusting(bob, 80)], { claimsPerFriend: 1e6, queue: 1e6, friendQueue: 1e6 })
  const subjects = Array.from({ length: 200 }, (_, i) => `198.51.100.${i}`)
  for (let i = 0; i < 60; i++) {
    const origin = createPeer()
    const claims = subjects.map((subject) => claimOf(subject, { until: UNTIL }))
    await node.ingest(seal(origin, { issuedAt: NOW, claims }, { hops: [{ peer: bob.id, trust: 900_000 }] }), bob.id)
  }
  await node.ingest.review([])
  let turns = 0
  const counting = setInterval(() => undefined, 1000)
  const count = (): void => {
    turns++
    pending = setImmediate(count)
  }
  let pending = setImmediate(count)
  const own = own_(node, '203.0.113.1')
  const all = node.ingest.review(subjects as Subject[])
  await own
  assert.equal(node.verdicts.get('203.0.113.1' as Subject)?.own, true)
  assert.equal(await all, true)
  clearImmediate(pending)
  clearInterval(counting)
  assert.ok(turns > 1, `${turns} turns`)
})

test('a thousand bans of our own are judged in as many turns as they need, and acknowledged when all are', async () => {
  const node = createStand([])
  // Every look at the clock is 20 ms later: a turn has time for one judgement.
  let looks = 0
  Object.defineProperty(node.clock, 'now', { get: () => NOW + 20 * looks++ })
  const judged = (): number => node.verdicts.after('', 1000).length
  const said = own_(node, ...Array.from({ length: 1000 }, (_, i) => `198.51.${i >> 8}.${i & 255}`))
  for (let i = 0; judged() === 0; i++) {
    assert.ok(i < 5)
    await new Promise((resolve) => setImmediate(resolve))
  }
  assert.ok(judged() < 5, `${judged()} in one turn`)
  assert.equal(by(await said), 'accepted')
  assert.equal(judged(), 1000)
})

test('our own word does not wait until all that friends have brought before is taken', async () => {
  const node = createStand([trusting(bob, 80)])
  // A turn has time to look at everything, and to take one envelope.
  let looks = 0
  Object.defineProperty(node.clock, 'now', { get: () => NOW + (node.db.isTransaction ? 20 * ++looks : 20 * looks) })
  let taken = 0
  const flood = Array.from({ length: 100 }, (_, i) => node.ingest(ban(bob, i), bob.id).then(() => taken++))
  await flood[0]
  assert.equal(by(await own_(node, '192.0.2.1')), 'accepted')
  assert.ok(taken < 5, `${taken} before it`)
  await Promise.all(flood)
})

test('another path of a known report counts for all its claims, and the same one again, or an echo, for one', async () => {
  const counted: number[] = []
  const node = createStand([trusting(bob, 80), trusting(carol, 80)], {
    admit: (friend, claims) => counted.push(claims) > 0 && friend !== carol.id
  })
  const origin = createPeer()
  const claims = [0, 1, 2].map((i) => claimOf(`198.51.100.${i}`, { until: UNTIL }))
  const by_ = (friend: Peer, trust: number) =>
    node.ingest(seal(origin, { issuedAt: NOW, claims }, { hops: [{ peer: friend.id, trust }] }), friend.id)
  assert.equal(by(await by_(bob, 700_000)), 'accepted')
  for (const trust of [700_000, 900_000, 900_000]) assert.equal(by(await by_(bob, trust)), 'duplicate')
  assert.equal(by(await by_(carol, 900_000)), 'over-rate')
  assert.deepEqual(counted, [3, 1, 3, 1, 3])
  assert.deepEqual(
    node.ledger.paths.of(node.ledger.reportsAfter(0, 1)[0]!.row).map(({ friend }) => friend),
    [bob.id]
  )
})

test('a friend whose changes are not judged yet waits from the limit on, and another one does not', async () => {
  const node = createStand([trusting(bob, 80), trusting(carol, 80)], {
    claimsPerFriend: 1e6,
    queue: 1e6,
    friendQueue: 1e6
  })
  // Every look at the clock is a second later: a turn has time for one envelope and one judgement.
  let looks = 0
  Object.defineProperty(node.clock, 'now', { get: () => NOW + 1000 * looks++ })
  const subjects = (n: number): string[] => Array.from({ length: 1000 }, (_, i) => `2001:db8:${n}:${i}::1`)
  const report = (n: number) =>
    seal(bob, { issuedAt: NOW + n, claims: subjects(n).map((subject) => claimOf(subject, { until: UNTIL })) })
  const taken: number[] = []
  const flood = [0, 1, 2, 3].map((n) => node.ingest(report(n), bob.id).then(() => taken.push(n)))
  // Of the first thousands a few are judged already when the third one comes.
  await Promise.all(flood.slice(0, 3))
  assert.equal(by(await node.ingest(ban(carol, 7), carol.id)), 'accepted')
  for (let turns = 0; node.verdicts.get('198.51.0.7' as Subject) === null; turns++) {
    assert.ok(turns < 5, 'judged in its turn')
    await new Promise((resolve) => setImmediate(resolve))
  }
  assert.equal(node.ingest.waiting(), 1, 'the fourth one of bob')
  assert.deepEqual(taken, [0, 1, 2])
  await flood[3]
  node.ingest.stop()
})

function own_(node: Stand, ...subjects: readonly string[]): Promise<Outcome> {
  const claims = subjects.map((subject) => claimOf(subject, { until: UNTIL }))
  const reportBytes = encodeReport({ origin: node.self.id, issuedAt: NOW, claims })
  const signature = signReport(NETWORK, node.self.key, reportBytes)
  return node.ingest.own(encodeEnvelope({ reportBytes, signature, hops: [] }), 'command')
}

test('an envelope that makes the ledger fail harms no other that came with it', async () => {
  const node = createStand([trusting(bob, 80), trusting(carol, 80)])
  node.db.exec(`CREATE TRIGGER poison BEFORE INSERT ON claims WHEN NEW.subject = '198.51.0.1'
    BEGIN SELECT RAISE(ABORT, 'poison'); END`)
  const outcomes = await Promise.all([
    node.ingest(ban(bob, 0), bob.id),
    node.ingest(ban(bob, 1), bob.id),
    node.ingest(ban(carol, 2), carol.id)
  ])
  assert.deepEqual(outcomes.map(by), ['accepted', 'internal-error', 'accepted'])
  assert.equal(node.failures.length, 1)
})

test('if no transaction can begin what came is refused, once each', async () => {
  const node = createStand([trusting(bob, 80)])
  // Within another one.
  node.db.exec('BEGIN')
  const outcomes = await Promise.all([0, 1].map((n) => node.ingest(ban(bob, n), bob.id)))
  assert.deepEqual(outcomes.map(by), ['internal-error', 'internal-error'])
  assert.equal(by(await own_(node, '192.0.2.1')), 'internal-error')
  assert.equal(node.failures.length, 3)
  node.db.exec('ROLLBACK')
  assert.equal(by(await node.ingest(ban(bob, 0), bob.id)), 'accepted')
})

test('an exception of whoever hears of it after the commit ends nothing', async () => {
  const node = createStand([trusting(bob, 80)])
  node.relayed.push = () => {
    throw new Error('a bug')
  }
  for (const n of [0, 1]) assert.equal(by(await node.ingest(ban(bob, n), bob.id)), 'accepted')
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(node.failures.length, 2)
})

test('if signatures cannot be checked what came is refused, and later it may be taken', async (t) => {
  const node = createStand([trusting(bob, 80)])
  const restore = (): void => {
    mock.restoreAll()
    syncBuiltinESMExports()
  }
  t.after(restore)
  mock.method(crypto, 'verify', () => {
    throw new Error('out of memory')
  })
  syncBuiltinESMExports()
  const both = () => Promise.all([0, 1].map((n) => node.ingest(ban(bob, n), bob.id)))
  assert.deepEqual((await both()).map(by), ['internal-error', 'internal-error'])
  assert.equal(node.failures.length, 1)
  restore()
  assert.deepEqual((await both()).map(by), ['accepted', 'accepted'])
})

test('another path that is refused leaves no names behind', async () => {
  let isOpen = true
  const node = createStand([trusting(bob, 80)], { admit: () => isOpen })
  const origin = createPeer()
  const bring = (...way: readonly Peer[]) => {
    const hops = way.map(({ id }) => ({ peer: id, trust: 900_000 }))
    const report = { issuedAt: NOW, claims: [claimOf('198.51.100.7', { until: UNTIL })] }
    return node.ingest(seal(origin, report, { hops }), bob.id)
  }
  assert.equal(by(await bring(bob)), 'accepted')
  const before = node.ledger.names.counts()
  isOpen = false
  assert.equal(by(await bring(createPeer(), createPeer(), bob)), 'over-rate')
  assert.deepEqual(node.ledger.names.counts(), before)
})

test('after stop what waits is refused, and nothing is taken', async () => {
  const node = createStand([trusting(bob, 80)])
  const waiting = node.ingest(ban(bob, 0), bob.id)
  const review = node.ingest.review(['198.51.0.0' as Subject])
  node.ingest.stop()
  assert.equal(by(await waiting), 'internal-error')
  assert.equal(await review, false)
  assert.equal(by(await node.ingest(ban(bob, 1), bob.id)), 'internal-error')
  node.db.close()
})

test('names that a friend invents, hop by hop, are forgotten when there are many, and not only once an hour', async () => {
  const node = createStand([trusting(bob, 80)])
  const origin = createPeer()
  for (let i = 0; i < 60; i++) {
    const hops = [...Array.from({ length: 4 }, createPeer), bob].map(({ id }) => ({ peer: id, trust: 900_000 }))
    await node.ingest(
      seal(origin, { issuedAt: NOW, claims: [claimOf('198.51.100.7', { until: UNTIL })] }, { hops }),
      bob.id
    )
  }
  assert.ok(node.ledger.names.counts().peers > 240)
  assert.equal(node.ledger.names.hasManyNew(300), false)
  assert.equal(node.ledger.names.hasManyNew(200), true)
  node.ledger.names.collect(0)
  assert.equal(node.ledger.names.counts().peers, 6)
  assert.equal(node.ledger.names.hasManyNew(0), false)
})
