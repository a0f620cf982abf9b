/** The bugs of fail2ban-p2p, one test each (1 to 13), against nodes that meet a friend gone bad, or a network as it is. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { encode } from 'cborg'
import type { Why } from '../../src/control/api.ts'
import { flowScore } from '../../src/core/flow.ts'
import { ONE, type PeerId } from '../../src/core/report.ts'
import { confidence } from '../../src/core/trust.ts'
import { parseConfig } from '../../src/daemon/config.ts'
import { decodeEnvelope, encodeEnvelope } from '../../src/wire/codec.ts'
import { peerIdToKey } from '../../src/wire/peer-id.ts'
import { signReport } from '../../src/wire/signature.ts'
import { createStand, NOW, trusting } from '../daemon/stand.ts'
import { createIntruder, framed } from '../support/intruder.ts'
import { createMesh } from '../support/nodes.ts'
import { claimOf, createPeer, NETWORK, seal, type Peer } from '../support/peers.ts'
import { until } from '../support/until.ts'

const HOST = '198.51.100.7'
const OTHER = '198.51.100.8'
const LIFTED = '198.51.100.9'
const UNTIL = NOW / 1000 + 3600

function live(subject: string, jail = 'sshd') {
  return { issuedAt: Date.now(), claims: [claimOf(subject, { until: Math.floor(Date.now() / 1000) + 3600, jail })] }
}

/** Signed as it should be, and with a jail that no encoder of ours would write. */
function withJail(origin: Peer, subject: readonly number[], jail: string): Uint8Array {
  const { issuedAt, claims } = live(HOST)
  const claim = [0, Uint8Array.from(subject), 32, claims[0]!.until, jail, 3]
  const reportBytes = encode([1, peerIdToKey(origin.id), issuedAt, [claim]])
  return encodeEnvelope({ reportBytes, signature: signReport(NETWORK, origin.key, reportBytes), hops: [] })
}

test('bug 1: a forged signature is refused: it bans nothing and gets nothing', async (t) => {
  const mallory = await createIntruder(t)
  await using mesh = createMesh({ friends: { alice: [] }, more: [{ id: mallory.peer.id, name: 'mallory' }] })
  await mesh.start()
  const alice = mesh.node('alice')
  await mallory.connect(alice)
  await mallory.publish(seal(mallory.peer, live(HOST), { signer: createPeer() }))
  await until(async () => (await alice.status()).refused['bad-signature'] === 1, 'the refusal')
  assert.equal((await alice.why(HOST)).score, 0)
  await mallory.publish(seal(mallory.peer, live(OTHER)))
  await until(async () => (await alice.why(OTHER)).accepted, 'a true one to be taken afterwards')
})

test('bug 2: nothing unsigned reaches the watched log, and nothing signed writes a line of its own', async (t) => {
  const mallory = await createIntruder(t)
  await using mesh = createMesh({ friends: { alice: [] }, more: [{ id: mallory.peer.id, name: 'mallory' }] })
  await mesh.start()
  const alice = mesh.node('alice')
  await mallory.connect(alice)
  const line = '","until":1}\n{"time":"2026-11-20T18:00:00.000Z","event":"ban","ip":"192.0.2.1","jail":"x'
  for (const jail of [line, 'sshd\n', 'sshd"', `sshd${line}`, '\u001b[2Jsshd', 'sshd%s']) {
    await mallory.publish(withJail(mallory.peer, [198, 51, 100, 66], jail))
  }
  await mallory.publish(Buffer.from(`junk\n{"event":"ban","ip":"192.0.2.2"}\n`))
  await mallory.publish(seal(mallory.peer, live(HOST)))
  const log = join(alice.dir, 'bans.log')
  const text = await until(
    () => (readFileSync(log, 'utf8').includes(HOST) ? readFileSync(log, 'utf8') : null),
    'the ban'
  )
  const lines = text.trimEnd().split('\n')
  assert.deepEqual(
    lines.map((one) => (JSON.parse(one) as { ip: string }).ip),
    [HOST]
  )
  assert.equal((await alice.status()).refused['bad-jail'], 6)
  // Nor does it reach the daemon's own log.
  assert.doesNotMatch(readFileSync(join(alice.dir, 'daemon.log'), 'utf8'), /192\.0\.2\.|\[2J|junk/)
})

test('bug 3: whatever malformed message comes, the node works on', async (t) => {
  const mallory = await createIntruder(t)
  await using mesh = createMesh({
    friends: { alice: ['bob'], bob: ['alice'] },
    more: [{ id: mallory.peer.id, name: 'mallory' }]
  })
  await mesh.start()
  await mesh.connected()
  const alice = mesh.node('alice')
  await mallory.connect(alice)
  const good = seal(mallory.peer, live(OTHER))
  const malformed = [
    ...Array.from({ length: good.length - 1 }, (_, length) => good.subarray(0, length + 1)),
    Buffer.concat([good, Buffer.of(0)]),
    Buffer.from('{"command": 1}'),
    Buffer.alloc(1000, 0x81),
    Buffer.from([0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff])
  ]
  for (const message of malformed) await mallory.publish(message)
  for (const protocol of ['/banmesh/test/sync/1.0.0', '/meshsub/1.2.0']) {
    const stream = framed(await mallory.open(alice, protocol))
    await stream.write(Buffer.alloc(100, 0xff)).catch(() => undefined)
  }
  await mesh.node('bob').ban(HOST)
  await until(async () => (await alice.why(HOST)).accepted, "another friend's ban to pass")
  await mallory.publish(good)
  await until(async () => (await alice.why(OTHER)).accepted, "the bad friend's own good ban to pass")
  assert.doesNotMatch(readFileSync(join(alice.dir, 'daemon.log'), 'utf8'), /unhandled/)
})

test('bug 4: a friend with twelve invented origins of trust 10 does not reach a threshold of 80', async () => {
  const mallory = createPeer()
  const node = createStand([trusting(mallory, 10)])
  for (let i = 0; i < 12; i++) {
    const hops = [{ peer: mallory.id, trust: ONE }]
    const claims = [claimOf(HOST, { until: UNTIL })]
    assert.equal(
      (await node.ingest(seal(createPeer(), { issuedAt: NOW, claims }, { hops }), mallory.id)).kind,
      'accepted'
    )
  }
  assert.equal(node.verdicts.get(HOST as never)?.score, 100_000)
  assert.deepEqual(node.handedOver(), [])
})

test('bug 5: a ban is handed over once, however many further reports say the same', async () => {
  const friends = Array.from({ length: 5 }, createPeer)
  const node = createStand(friends.map((friend) => trusting(friend, 90)))
  for (const friend of friends) {
    for (let i = 0; i < 3; i++) {
      const claims = [claimOf(HOST, { until: UNTIL + i, jail: `jail${i}` })]
      await node.ingest(seal(friend, { issuedAt: NOW + i, claims }), friend.id)
    }
  }
  assert.deepEqual(
    node.handedOver().map(({ subject, action, sequence }) => [subject, action, sequence]),
    [[HOST, 'ban', 1]]
  )
})

test('bug 6: a message of a year ago bans nothing, and a ban that is over does not come back by a replay', async () => {
  const [bob, carol] = [createPeer(), createPeer()]
  const node = createStand([trusting(bob, 90), trusting(carol, 90)])
  const YEAR = 365 * 86_400
  const old = seal(bob, { issuedAt: NOW - YEAR * 1000, claims: [claimOf(HOST, { until: NOW / 1000 - YEAR + 3600 })] })
  assert.deepEqual(await node.ingest(old, bob.id), { kind: 'refused', reason: 'expired' })
  // One that would still run by its own word: no claim counts longer than maxBanTime after it was issued.
  const long = seal(bob, { issuedAt: NOW - 360 * 86_400_000, claims: [claimOf(OTHER, { until: NOW / 1000 + 86_400 })] })
  await node.ingest(long, bob.id)
  assert.notEqual(node.verdicts.get(OTHER as never)?.accepted, true)
  const ban = seal(bob, { issuedAt: NOW, claims: [claimOf(HOST, { until: UNTIL })] })
  assert.equal((await node.ingest(ban, bob.id)).kind, 'accepted')
  // One that was lifted stays lifted, whoever brings the ban once more.
  const lifted = { issuedAt: NOW + 1, claims: [claimOf(LIFTED, { until: UNTIL })] }
  await node.ingest(seal(bob, lifted), bob.id)
  assert.equal(node.verdicts.get(LIFTED as never)?.accepted, true)
  const lift = [claimOf(LIFTED, { kind: 'unban', until: UNTIL })]
  await node.ingest(seal(bob, { issuedAt: NOW + 2, claims: lift }), bob.id)
  const byCarol = seal(bob, lifted, { hops: [{ peer: carol.id, trust: ONE }] })
  for (const outcome of [await node.ingest(seal(bob, lifted), bob.id), await node.ingest(byCarol, carol.id)]) {
    assert.deepEqual(outcome, { kind: 'refused', reason: 'stale' })
  }
  assert.notEqual(node.verdicts.get(LIFTED as never)?.accepted, true)
  node.clock.now = UNTIL * 1000
  node.ledger.expire(UNTIL, 100)
  assert.deepEqual(await node.ingest(ban, bob.id), { kind: 'refused', reason: 'expired' })
  assert.deepEqual(await node.ingest(byCarol, carol.id), { kind: 'refused', reason: 'expired' })
})

test('bug 7: messages of every size up to the limit arrive whole, with as many hops as are allowed', async (t) => {
  const mallory = await createIntruder(t)
  await using mesh = createMesh({ friends: { alice: [] }, more: [{ id: mallory.peer.id, name: 'mallory' }] })
  await mesh.start()
  const alice = mesh.node('alice')
  await mallory.connect(alice)
  const { issuedAt, claims } = live('2001:db8::1')
  let subjects = 0
  for (const count of [1, 10, 30, 100, 1000]) {
    const many = Array.from({ length: count }, (_, i) => ({
      ...claims[0]!,
      subject: `2001:db8:${count.toString(16)}:${(i + 1).toString(16)}::1` as never,
      jail: 'j'.repeat(64)
    }))
    subjects += count
    const relays = Array.from({ length: 5 }, createPeer)
    const hops = [...relays, mallory.peer].map(({ id }) => ({ peer: id, trust: 900_000 }))
    await mallory.publish(seal(createPeer(), { issuedAt: issuedAt + count, claims: many }, { hops }))
  }
  await until(async () => (await alice.status()).claims === subjects, `all ${subjects} claims`)
  const seven = Array.from({ length: 6 }, createPeer).concat(mallory.peer)
  const hops = seven.map(({ id }) => ({ peer: id, trust: 900_000 }))
  await mallory.publish(seal(createPeer(), live(HOST), { hops }))
  await until(async () => (await alice.status()).refused['too-many-hops'] === 1, 'the seventh hop to be one too many')
})

test('bug 8: a time as text, or as any other kind, is refused and does not stop the expiry of others', async () => {
  const bob = createPeer()
  const node = createStand([trusting(bob, 90)])
  for (const wrong of ['1700000000', 1.5, -1, null, [], true, 2n ** 63n]) {
    for (const [issuedAt, end] of [
      [wrong, UNTIL],
      [NOW, wrong]
    ]) {
      const claim = [0, Uint8Array.of(198, 51, 100, 8), 32, end, 'sshd', 3]
      const reportBytes = encode([1, peerIdToKey(bob.id), issuedAt, [claim]])
      const signature = signReport(NETWORK, bob.key, reportBytes)
      const outcome = await node.ingest(encodeEnvelope({ reportBytes, signature, hops: [] }), bob.id)
      assert.equal(outcome.kind, 'refused', String(wrong))
    }
  }
  await node.ingest(seal(bob, { issuedAt: NOW, claims: [claimOf(HOST, { until: UNTIL })] }), bob.id)
  assert.equal(node.ledger.expire(UNTIL, 100), 1)
  assert.deepEqual([node.failures, node.ledger.counts()], [[], { reports: 0, claims: 0 }])
})

test('bug 9: one bad friend entry drops that friend alone, whether it comes first, last or between', () => {
  const good = [createPeer(), createPeer()].map(({ id }) => ({ id }))
  for (const at of [0, 1, 2]) {
    const friends = good.toSpliced(at, 0, { id: 'junk' as PeerId })
    const parsed = parseConfig(JSON.stringify({ friends }), { folder: '/' })
    assert(parsed.ok)
    assert.deepEqual(
      parsed.config.friends.map(({ id }) => id),
      good.map(({ id }) => id)
    )
    assert.equal(parsed.warnings.length, 1)
  }
})

test('bug 10: a friend who reads nothing keeps nobody else waiting', async (t) => {
  const mute = await createIntruder(t)
  await using mesh = createMesh({
    friends: { alice: ['bob'], bob: ['alice'] },
    more: [{ id: mute.peer.id, name: 'mute' }]
  })
  await mesh.start()
  await mesh.connected()
  const [alice, bob] = [mesh.node('alice'), mesh.node('bob')]
  await mute.connect(alice)
  // Takes no byte from now on.
  for (const connection of mute.libp2p.getConnections()) for (const stream of connection.streams) stream.pause()
  for (let i = 0; i < 50; i++) await alice.ban(`203.0.113.${i}`)
  await alice.ban(HOST)
  await until(async () => (await bob.why(HOST)).accepted, 'the last of them to reach bob', 5000)
})

test('bug 11: a node that was killed can be started again on its port at once', async () => {
  await using mesh = createMesh({ friends: { alice: ['bob'], bob: ['alice'] } })
  await mesh.start()
  await mesh.connected()
  const [alice, bob] = [mesh.node('alice'), mesh.node('bob')]
  for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
    await alice.stop(signal)
    await alice.start()
    await mesh.connected()
  }
  await alice.ban(HOST)
  await until(async () => (await bob.why(HOST)).accepted, 'bans to flow again')
})

test('bug 12: what a newcomer is given afterwards keeps its origin and every hop', async () => {
  await using mesh = createMesh({ friends: { alice: ['bob'], bob: ['alice', 'carol'], carol: ['bob'] } })
  const [alice, bob, carol] = mesh.nodes as [
    (typeof mesh.nodes)[0] & object,
    (typeof mesh.nodes)[0] & object,
    (typeof mesh.nodes)[0] & object
  ]
  await Promise.all([alice.start(), bob.start()])
  await mesh.connected()
  await alice.ban(HOST)
  await until(async () => (await bob.why(HOST)).accepted, 'the ban to reach bob')
  await alice.stop()
  await carol.start()
  const why = await until(async () => {
    const now: Why = await carol.why(HOST)
    return now.evidence.length > 0 && now
  }, 'carol to catch up')
  assert.deepEqual(
    why.evidence.map(({ origin, confidence: sure, path }) => [origin, sure, path.map(({ peer }) => peer)]),
    [[alice.id, 64, [bob.id, alice.id]]]
  )
})

test('bug 13: trust never grows along a path, whatever a relay states', () => {
  const [friend, hop, origin] = ['friend', 'hop', 'origin'] as unknown as [PeerId, PeerId, PeerId]
  let last = 800_000
  const hops = []
  for (let length = 0; length < 6; length++) {
    hops.unshift({ peer: length === 0 ? friend : hop, trust: length % 2 === 0 ? ONE : 900_000 })
    const sure = confidence({ friend, trust: 800_000, hops })
    assert.ok(sure <= last)
    last = sure
  }
  assert.equal(last, 583_200, '80 % of 90 % of 90 % of 90 %')
  const path = { friend, trust: 300_000, hops: [{ peer: friend, trust: ONE }] }
  assert.equal(flowScore([{ origin, paths: [path, path, path] }]), 300_000)
  const opened = decodeEnvelope(seal(createPeer(), live(HOST), { hops: [{ peer: createPeer().id, trust: ONE + 1 }] }))
  assert.deepEqual(opened, { ok: false, reason: 'bad-trust' })
})
