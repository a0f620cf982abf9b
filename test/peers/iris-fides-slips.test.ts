/** The bugs of Iris, Fides and Slips, one test each (22 to 30). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encode } from 'cborg'
import type { FriendView } from '../../src/control/api.ts'
import { createProtection } from '../../src/core/protection.ts'
import { ONE } from '../../src/core/report.ts'
import { createCounters } from '../../src/daemon/counters.ts'
import { encodeEnvelope, encodeReport } from '../../src/wire/codec.ts'
import { createMemo } from '../../src/wire/memo.ts'
import { peerIdToKey } from '../../src/wire/peer-id.ts'
import { signReport } from '../../src/wire/signature.ts'
import { createStand, NOW, trusting } from '../daemon/stand.ts'
import { createIntruder } from '../support/intruder.ts'
import { createMesh } from '../support/nodes.ts'
import { claimOf, createPeer, NETWORK, seal } from '../support/peers.ts'
import { until } from '../support/until.ts'

const HOST = '198.51.100.7'
const UNTIL = NOW / 1000 + 3600
const claims = [claimOf(HOST, { until: UNTIL })]
const bob = createPeer()
const carol = createPeer()
const mallory = createPeer()

test('bug 22: a good signature by a key that is not the origin does not count for the origin', async () => {
  const node = createStand([trusting(bob, 90), trusting(mallory, 90)])
  const reportBytes = encodeReport({ origin: bob.id, issuedAt: NOW, claims })
  const signature = signReport(NETWORK, mallory.key, reportBytes)
  const hops = [{ peer: mallory.id, trust: ONE }]
  const outcome = await node.ingest(encodeEnvelope({ reportBytes, signature, hops }), mallory.id)
  assert.deepEqual(outcome, { kind: 'refused', reason: 'bad-signature' })
  // A key of its own beside the peer ID has no place in a report: the ID is the key.
  const withKey = encode([1, peerIdToKey(bob.id), peerIdToKey(mallory.id), NOW, []])
  const sealed = encodeEnvelope({ reportBytes: withKey, signature, hops })
  assert.deepEqual(await node.ingest(sealed, mallory.id), { kind: 'refused', reason: 'bad-shape' })
})

test('bug 23: a forged copy that comes first does not keep the true report out', async (t) => {
  const liar = await createIntruder(t)
  const honest = await createIntruder(t)
  const more = [liar, honest].map(({ peer }, i) => ({ id: peer.id, name: ['liar', 'honest'][i]! }))
  await using mesh = createMesh({ friends: { alice: [] }, more })
  await mesh.start()
  const alice = mesh.node('alice')
  await Promise.all([liar.connect(alice), honest.connect(alice)])
  const issuedAt = Date.now()
  const report = { issuedAt, claims: [claimOf(HOST, { until: Math.floor(issuedAt / 1000) + 600 })] }
  const truth = seal(honest.peer, report)
  // The very bytes of the other one, which its sender may not say; and the same report with another signature.
  await liar.publish(truth)
  await liar.publish(seal(honest.peer, report, { signer: liar.peer, hops: [{ peer: liar.peer.id, trust: ONE }] }))
  await until(async () => {
    const { refused } = await alice.status()
    return refused['wrong-origin'] === 1 && refused['bad-signature'] === 1
  }, 'both to be refused')
  await honest.publish(truth)
  await until(async () => (await alice.why(HOST)).accepted, 'the true one to be taken')
})

test('bug 24: what is remembered is bounded, whoever fills it', async () => {
  const memo = createMemo<number, number>(100)
  for (let i = 0; i < 1000; i++) memo.set(i, i)
  assert.ok([...Array(1000).keys()].filter((i) => memo.get(i) !== undefined).length <= 100)
  const counters = createCounters()
  for (let i = 0; i < 100; i++) counters.count(`stranger ${i}` as never, { kind: 'refused', reason: 'not-a-friend' })
  assert.deepEqual(counters.friend('stranger 7' as never), { reports: 0, accepted: 0, rejected: 0 })
  const node = createStand([trusting(bob, 90)], { claimsPerFriend: 10 })
  for (let i = 0; i < 30; i++) {
    const one = [claimOf(`203.0.113.${i}`, { until: UNTIL })]
    await node.ingest(seal(bob, { issuedAt: NOW + i, claims: one }), bob.id)
    await node.ingest(seal(createPeer(), { issuedAt: NOW, claims: one }), bob.id)
  }
  assert.deepEqual(
    [node.ledger.counts(), node.ledger.names.counts()],
    [
      { reports: 10, claims: 10 },
      { peers: 1, jails: 1 }
    ]
  )
})

test('bug 25: times are checked: of the far future, of the past, and lasting too long', async () => {
  const DAY = 86_400
  for (const [issuedAt, end, reason] of [
    [NOW + 11 * 60_000, UNTIL, 'future'],
    [NOW - 1, NOW / 1000, 'expired'],
    [NOW, NOW / 1000 + 367 * DAY, 'bad-until'],
    [0, 1, 'expired']
  ] as const) {
    const node = createStand([trusting(bob, 90)])
    const outcome = await node.ingest(seal(bob, { issuedAt, claims: [claimOf(HOST, { until: end })] }), bob.id)
    assert.deepEqual(outcome, { kind: 'refused', reason })
  }
})

test("bug 26: a report is its author's, whoever passes it on", async () => {
  const node = createStand([trusting(bob, 90)])
  await node.ingest(seal(carol, { issuedAt: NOW, claims }, { hops: [{ peer: bob.id, trust: 500_000 }] }), bob.id)
  const [claim] = node.ledger.bans(HOST as never, NOW / 1000)
  assert.equal(claim?.origin, carol.id)
  assert.equal(node.verdicts.get(HOST as never)?.score, 450_000, "bob's word for carol, not bob's own")
  // The lift is the author's as well.
  const lift = [claimOf(HOST, { kind: 'unban', until: UNTIL })]
  await node.ingest(seal(bob, { issuedAt: NOW + 1, claims: lift }), bob.id)
  assert.equal(node.verdicts.get(HOST as never)?.score, 450_000)
})

test('bug 27: a peer of trust 0 weighs nothing, alone or behind others', async () => {
  const node = createStand([trusting(mallory, 0), trusting(bob, 90)])
  assert.equal((await node.ingest(seal(mallory, { issuedAt: NOW, claims }), mallory.id)).kind, 'accepted')
  await node.ingest(seal(carol, { issuedAt: NOW, claims }, { hops: [{ peer: bob.id, trust: 0 }] }), bob.id)
  assert.equal(node.verdicts.get(HOST as never)?.score ?? 0, 0)
  assert.deepEqual([node.handedOver(), node.relayed], [[], []])
})

test('bug 28: trust does not grow by volume: a thousand reports leave it as the operator set it', async (t) => {
  const loud = await createIntruder(t)
  await using mesh = createMesh({ friends: { alice: [] }, more: [{ id: loud.peer.id, name: 'loud' }] })
  await mesh.start()
  const alice = mesh.node('alice')
  await loud.connect(alice)
  const now = Date.now()
  for (let i = 0; i < 1000; i++) {
    const claim = claimOf(`203.0.113.${i % 250}`, { until: Math.floor(now / 1000) + 600, jail: `j${i}` })
    await loud.publish(seal(loud.peer, { issuedAt: now + i, claims: [claim] }))
  }
  await until(async () => (await alice.status()).reports === 1000, 'all reports')
  assert.equal((await alice.get<FriendView[]>('/v1/friends'))[0]?.trust, 80)
  assert.equal((await alice.why('203.0.113.1')).score, 80)
})

test('bug 29: a restart forgets neither verdicts nor vetoes nor evidence', async () => {
  await using mesh = createMesh({ friends: { alice: ['bob'], bob: ['alice'] } })
  await mesh.start()
  await mesh.connected()
  const [alice, other] = [mesh.node('alice'), mesh.node('bob')]
  await other.ban(HOST)
  await other.ban('198.51.100.8')
  await until(async () => (await alice.status()).verdicts.accepted === 2, 'both bans')
  await alice.unban('198.51.100.8')
  const before = await Promise.all([alice.why(HOST), alice.why('198.51.100.8')])
  await other.stop()
  await alice.kill()
  await alice.start()
  assert.deepEqual(await Promise.all([alice.why(HOST), alice.why('198.51.100.8')]), before)
  assert.equal(before[1].reason, 'vetoed')
})

test('bug 30: a report about ourselves or a friend is not acted on, and is told', async () => {
  const node = createStand([trusting(bob, 100)])
  const protection = createProtection({
    allowlist: [],
    own: [HOST as never],
    friends: ['198.51.100.8' as never],
    vetoes: [],
    protectReserved: false
  })
  node.guard.protectedBy = protection.protectedBy
  for (const [subject, reason] of [
    [HOST, 'own-address'],
    ['198.51.100.0/24', 'own-address'],
    ['198.51.100.8', 'friend-address']
  ] as const) {
    await node.ingest(seal(bob, { issuedAt: NOW, claims: [claimOf(subject, { until: UNTIL })] }), bob.id)
    const { accepted, reason: why } = node.verdicts.get(subject as never)!
    assert.deepEqual([accepted, why], [false, reason])
  }
  assert.deepEqual(node.handedOver(), [])
})
