import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encode } from 'cborg'
import { decodeEnvelope, encodeEnvelope } from '../../src/wire/codec.ts'
import { peerIdToKey } from '../../src/wire/peer-id.ts'
import { signReport } from '../../src/wire/signature.ts'
import { createPeer, seal, claimOf, NETWORK, type Peer } from '../support/peers.ts'
import { createStand, NOW, trusting, type Stand } from './stand.ts'

const HOST = '198.51.100.7'
const UNTIL = NOW / 1000 + 3600

function ban(origin: Peer, change: Parameters<typeof seal>[2] = {}, issuedAt = NOW): Uint8Array {
  return seal(origin, { issuedAt, claims: [claimOf(HOST, { until: UNTIL })] }, change)
}

const bob = createPeer()
const carol = createPeer()
const mallory = createPeer()

function stand(): Stand {
  return createStand([trusting(bob, 80)])
}

/** A report that our encoder would not make, signed as it should be. */
function odd(address: readonly number[], prefix: number): Uint8Array {
  const key = peerIdToKey(bob.id)
  const reportBytes = encode([1, key, NOW, [[0, Uint8Array.from(address), prefix, UNTIL, 'sshd', 3]]])
  return encodeEnvelope({ reportBytes, signature: signReport(NETWORK, bob.key, reportBytes), hops: [] })
}

/** Every way in which a report may be wrong, as bob would bring it. */
const REFUSED: readonly (readonly [string, string, (self: Peer) => Uint8Array])[] = [
  ['a forged origin', 'bad-signature', () => ban(bob, { signer: mallory })],
  ['a report of another network', 'bad-signature', () => ban(bob, { network: 'other' })],
  [
    'an altered claim',
    'bad-signature',
    () => {
      const opened = decodeEnvelope(ban(bob))
      assert(opened.ok)
      const reportBytes = opened.value.reportBytes.slice()
      // The failures of the only claim are the last byte.
      reportBytes[reportBytes.length - 1] = 4
      return encodeEnvelope({ ...opened.value, reportBytes })
    }
  ],
  ['no hops, but of somebody else', 'wrong-origin', () => ban(carol)],
  ['a last hop that is not the sender', 'wrong-last-hop', () => ban(carol, { hops: [{ peer: mallory.id, trust: 1 }] })],
  [
    'our own ID among the hops',
    'own-hop',
    (self) =>
      ban(carol, {
        hops: [
          { peer: self.id, trust: 800_000 },
          { peer: bob.id, trust: 800_000 }
        ]
      })
  ],
  [
    'a report of our own that we do not know',
    'own-origin',
    (self) => ban(self, { hops: [{ peer: bob.id, trust: 1 }] })
  ],
  [
    'a relay that occurs twice',
    'loop',
    () => ban(carol, { hops: [bob, mallory, bob].map(({ id }) => ({ peer: id, trust: 800_000 })) })
  ],
  [
    'more hops than we take',
    'too-many-hops',
    () =>
      ban(carol, { hops: [...Array.from({ length: 6 }, createPeer), bob].map(({ id }) => ({ peer: id, trust: 1 })) })
  ],
  [
    'an expired report',
    'expired',
    () => seal(bob, { issuedAt: NOW - 1000, claims: [claimOf(HOST, { until: NOW / 1000 })] })
  ],
  ['a report from the future', 'future', () => ban(bob, {}, NOW + 10 * 60 * 1000 + 1)],
  ['a prefix that is too wide', 'over-wide', () => odd([198, 51, 100, 0], 23)],
  ['a subject with host bits', 'not-canonical', () => odd([198, 51, 100, 7], 24)],
  ['a subject that is no address', 'junk-subject', () => odd([198, 51, 100], 24)],
  ['an oversized envelope', 'oversized', () => new Uint8Array(128 * 1024 + 1)],
  ['junk', 'not-cbor', () => Uint8Array.of(0xff, 0, 1)]
]

for (const [what, reason, make] of REFUSED) {
  test(`${what} is refused as ${reason}, is counted, leaves nothing behind, and a valid copy is still taken`, async () => {
    const node = stand()
    const valid = ban(bob)
    assert.deepEqual(await node.ingest(make(node.self), bob.id), { kind: 'refused', reason })
    assert.deepEqual(node.ledger.counts(), { reports: 0, claims: 0 })
    assert.deepEqual([...node.counters.refused()], [[reason, 1]])
    assert.deepEqual(node.relayed, [])
    const outcome = await node.ingest(valid, bob.id)
    assert.equal(outcome.kind, 'accepted')
    assert.deepEqual(node.ledger.counts(), { reports: 1, claims: 1 })
  })
}

test('of reports that come together the one with a bad signature is refused, and the others are taken', async () => {
  const node = stand()
  const reports = [1, 2, 3, 4].map((n) => ban(bob, n === 3 ? { signer: mallory } : {}, NOW + n))
  const outcomes = await Promise.all(reports.map((report) => node.ingest(report, bob.id)))
  assert.deepEqual(
    outcomes.map((outcome) => (outcome.kind === 'refused' ? outcome.reason : outcome.kind)),
    ['accepted', 'accepted', 'bad-signature', 'accepted']
  )
  assert.deepEqual(node.ledger.counts(), { reports: 1, claims: 1 })
})

test('a friend who is removed, or paused, while its signatures are checked brings nothing', async () => {
  for (const [left, reason] of [
    [[], 'not-a-friend'],
    [[{ ...trusting(bob, 80), paused: true }], 'paused']
  ] as const) {
    const node = createStand([trusting(bob, 80)], {
      admit() {
        if (node.ingest.waiting() === 0) node.friends.replace(left)
        return true
      }
    })
    const outcomes = await Promise.all([1, 2].map((n) => node.ingest(ban(bob, {}, NOW + n), bob.id)))
    assert.deepEqual(outcomes, [
      { kind: 'refused', reason },
      { kind: 'refused', reason }
    ])
    assert.deepEqual(node.ledger.counts(), { reports: 0, claims: 0 })
  }
})

test('after a stop in the middle of a check the ledger is not touched', async () => {
  const node = createStand([trusting(bob, 80)], {
    admit() {
      if (node.ingest.waiting() === 0) {
        node.ingest.stop()
        node.db.close()
      }
      return true
    }
  })
  const outcomes = await Promise.all([1, 2].map((n) => node.ingest(ban(bob, {}, NOW + n), bob.id)))
  assert.deepEqual(outcomes, [
    { kind: 'refused', reason: 'internal-error' },
    { kind: 'refused', reason: 'internal-error' }
  ])
  assert.deepEqual(node.failures, [])
})

test('a stranger and a paused friend are refused whatever they bring', async () => {
  const node = createStand([{ ...trusting(bob, 80), paused: true }])
  assert.deepEqual(await node.ingest(ban(bob), bob.id), { kind: 'refused', reason: 'paused' })
  assert.deepEqual(await node.ingest(ban(carol), carol.id), { kind: 'refused', reason: 'not-a-friend' })
  assert.deepEqual(node.ledger.counts(), { reports: 0, claims: 0 })
})

test('ten hops are too many, six are not, and the limit is no accident of a frame size (fail2ban-p2p bug 7)', async () => {
  const relays = Array.from({ length: 5 }, createPeer)
  for (const [hops, kind] of [
    [relays, 'accepted'],
    [[...relays, createPeer()], 'refused']
  ] as const) {
    const path = [...hops, bob].map(({ id }) => ({ peer: id, trust: 900_000 }))
    assert.equal((await stand().ingest(ban(carol, { hops: path }), bob.id)).kind, kind)
  }
})

test('issuedAt may be ahead by the clock skew that the protocol allows, and not by a millisecond more', async () => {
  assert.equal((await stand().ingest(ban(bob, {}, NOW + 10 * 60 * 1000), bob.id)).kind, 'accepted')
  assert.equal((await stand().ingest(ban(bob, {}, NOW + 10 * 60 * 1000 + 1), bob.id)).kind, 'refused')
})

test('taking a report twice is taking it once', async () => {
  const node = stand()
  const [first, second] = await Promise.all([node.ingest(ban(bob), bob.id), node.ingest(ban(bob), bob.id)])
  assert.equal(first.kind, 'accepted')
  assert.equal(second.kind, 'duplicate')
  assert.deepEqual(node.ledger.counts(), { reports: 1, claims: 1 })
  assert.equal(node.relayed.length, 1)
  assert.equal(node.handedOver().length, 1)
})

test('a relayed report carries our hop with what we trust the friend, and only a better path is relayed again', async () => {
  const node = createStand([trusting(bob, 50), trusting(carol, 90), trusting(mallory, 91)])
  const origin = createPeer()
  await node.ingest(ban(origin, { hops: [{ peer: bob.id, trust: 800_000 }] }), bob.id)
  await node.ingest(ban(origin, { hops: [{ peer: carol.id, trust: 800_000 }] }), carol.id)
  // Better by less than five percent.
  await node.ingest(ban(origin, { hops: [{ peer: mallory.id, trust: 800_000 }] }), mallory.id)
  assert.deepEqual(
    node.relayed.map((bytes) => {
      const opened = decodeEnvelope(bytes)
      return opened.ok && opened.value.hops
    }),
    [
      [
        { peer: bob.id, trust: 800_000 },
        { peer: node.self.id, trust: 500_000 }
      ],
      [
        { peer: carol.id, trust: 800_000 },
        { peer: node.self.id, trust: 900_000 }
      ]
    ]
  )
})

test('a report is relayed only if some friend who hears us has not been on its way', async () => {
  const node = stand()
  const hops = [{ peer: bob.id, trust: 800_000 }]
  node.hearers.clear()
  await node.ingest(ban(bob), bob.id)
  for (const friend of [bob, carol]) node.hearers.add(friend.id)
  await node.ingest(ban(carol, { hops }), bob.id)
  assert.equal(node.relayed.length, 0)
  await node.ingest(ban(mallory, { hops }), bob.id)
  assert.equal(node.relayed.length, 1)
})

test('what is relayed is the signature that was verified, not the one of a later copy', async () => {
  const node = createStand([trusting(bob, 50), trusting(carol, 90)])
  const origin = createPeer()
  await node.ingest(ban(origin, { hops: [{ peer: bob.id, trust: 800_000 }] }), bob.id)
  const forged = ban(origin, { signer: mallory, hops: [{ peer: carol.id, trust: 800_000 }] })
  assert.equal((await node.ingest(forged, carol.id)).kind, 'duplicate')
  const other = createStand([trusting(node.self, 80)])
  for (const envelope of node.relayed) assert.notEqual((await other.ingest(envelope, node.self.id)).kind, 'refused')
  assert.equal(node.relayed.length, 2)
})

test('a confidence under the relay floor is kept as evidence and relayed to nobody', async () => {
  const node = createStand([trusting(bob, 4)])
  assert.equal((await node.ingest(ban(bob), bob.id)).kind, 'accepted')
  assert.deepEqual(node.relayed, [])
  assert.equal(node.verdicts.get(HOST as never)?.score, 40_000)
})

test('our own report that comes back is an echo: no evidence, and no fault of the friend', async () => {
  const node = stand()
  const own = ban(node.self)
  assert.equal((await node.ingest.own(own, 'command')).kind, 'accepted')
  const opened = decodeEnvelope(own)
  assert(opened.ok)
  const echo = encodeEnvelope({ ...opened.value, hops: [{ peer: bob.id, trust: 800_000 }] })
  assert.equal((await node.ingest(echo, bob.id)).kind, 'duplicate')
  assert.deepEqual(node.counters.friend(bob.id), { reports: 1, accepted: 0, rejected: 0 })
})

test('if the ledger fails nothing is taken or relayed, the operator is told, and the next try may succeed', async () => {
  const node = stand()
  node.db.exec("CREATE TRIGGER full BEFORE INSERT ON claims BEGIN SELECT RAISE(ABORT, 'disk full'); END")
  const outcomes = await Promise.all([node.ingest(ban(bob), bob.id), node.ingest(ban(bob, {}, NOW + 1), bob.id)])
  assert.deepEqual(
    outcomes.map((outcome) => outcome.kind === 'refused' && outcome.reason),
    ['internal-error', 'internal-error']
  )
  assert.deepEqual(node.relayed, [])
  assert.equal(node.failures.length, 2)
  node.db.exec('DROP TRIGGER full')
  assert.equal((await node.ingest(ban(bob), bob.id)).kind, 'accepted')
})

test('the queue takes as many envelopes as its limit and refuses the next', async () => {
  const node = createStand([trusting(bob, 80)], { queue: 3 })
  const outcomes = await Promise.all([1, 2, 3, 4].map((n) => node.ingest(ban(bob, {}, NOW + n), bob.id)))
  assert.deepEqual(
    outcomes.map((outcome) => (outcome.kind === 'refused' ? outcome.reason : outcome.kind)),
    ['accepted', 'accepted', 'accepted', 'queue-full']
  )
})
