/** Hostile bytes on real streams of a real node: by a stranger on everything that strangers may speak, and by a friend. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { multiaddr } from '@multiformats/multiaddr'
import type { Identity } from '../../src/control/api.ts'
import { mutate } from '../fuzz/mutate.ts'
import { createIntruder, framed } from '../support/intruder.ts'
import { createMesh } from '../support/nodes.ts'
import { seeded } from '../support/seeded.ts'
import { until } from '../support/until.ts'

/** All that a node offers; whether others may speak it is another matter. */
const PROTOCOLS = [
  '/banmesh/test/autonat/1.0.0',
  '/banmesh/test/kad/1.0.0',
  '/banmesh/test/rotation/1.0.0',
  '/banmesh/test/sync/1.0.0',
  '/ipfs/id/1.0.0',
  '/ipfs/ping/1.0.0',
  '/libp2p/circuit/relay/0.2.0/hop',
  '/libp2p/circuit/relay/0.2.0/stop',
  '/libp2p/dcutr',
  '/meshsub/1.2.0'
]
/** Whoever is no friend is reset before a byte. */
const OF_FRIENDS = PROTOCOLS.filter((protocol) => /sync|relay|dcutr|meshsub/.test(protocol))
/** A DHT query, a list of addresses, a subscription: roughly. */
const CORPUS = [
  '0804120a62616e6d657368',
  '0a04deadbeef12080a06047f00000106',
  '0a1d0801121962616e6d657368',
  '00',
  'ffffffff0f'
].map((hex) => new Uint8Array(Buffer.from(hex, 'hex')))
const STREAMS = 150

async function attack(t: TestContext, as: 'friend' | 'stranger'): Promise<void> {
  const mallory = await createIntruder(t)
  await using mesh = createMesh({
    friends: { alice: ['bob'], bob: ['alice'] },
    more: as === 'friend' ? [{ id: mallory.peer.id, name: 'mallory' }] : [],
    config: () => ({ discovery: { dht: true } })
  })
  await mesh.start()
  await mesh.connected()
  const [alice, bob] = [mesh.node('alice'), mesh.node('bob')]
  const { addresses } = await alice.get<Identity>('/v1/id')
  const random = seeded(as === 'friend' ? 1 : 2)
  let opened = 0
  for (let i = 0; i < STREAMS; i++) {
    // The node may well have cut us off for what came before.
    await mallory.libp2p.dial(addresses.map((address) => multiaddr(address))).catch(() => delay(50))
    const stream = await mallory.open(alice, PROTOCOLS[i % PROTOCOLS.length]!).catch(() => null)
    if (stream === null) continue
    opened++
    const bytes = mutate(CORPUS, [], random)
    try {
      if (random() < 0.5) await framed(stream).write(bytes)
      else stream.send(bytes)
      if (random() < 0.3) await stream.close({ signal: AbortSignal.timeout(500) })
      else stream.abort(new Error('enough'))
    } catch {
      // Cut off while we spoke.
    }
  }
  t.diagnostic(`${opened} of ${STREAMS} streams were opened`)
  assert.ok(opened > STREAMS / 4)
  await bob.ban('198.51.100.7')
  await until(async () => (await alice.why('198.51.100.7')).accepted, "bob's ban to pass")
  assert.doesNotMatch(readFileSync(join(alice.dir, 'daemon.log'), 'utf8'), /unhandled/)
}

test('whatever bytes a stranger sends on whatever protocol, the node lives and its friends are served', (t) =>
  attack(t, 'stranger'))

test('whatever bytes a friend sends on whatever protocol, the node lives and its other friends are served', (t) =>
  attack(t, 'friend'))

test('a node offers these protocols and no other, and those of friends send a stranger nothing', async (t) => {
  const eve = await createIntruder(t)
  await using mesh = createMesh({ friends: { alice: [] }, config: () => ({ discovery: { dht: true } }) })
  await mesh.start()
  const alice = mesh.node('alice')
  await alice.ban('198.51.100.7')
  await eve.connect(alice, 'stranger')
  const [peer] = eve.libp2p.getPeers()
  const offered = await until(async () => {
    const { protocols } = await eve.libp2p.peerStore.get(peer!)
    return protocols.includes('/ipfs/ping/1.0.0') && protocols
  }, 'what alice offers')
  assert.deepEqual(
    offered.toSorted((a, b) => (a < b ? -1 : 1)),
    PROTOCOLS
  )
  for (const protocol of OF_FRIENDS) {
    const stream = await eve.open(alice, protocol)
    let heard = 0
    stream.addEventListener('message', ({ data }) => (heard += data.byteLength))
    // What opens a session of sync; for the others it is as good as anything.
    await framed(stream)
      .write(Uint8Array.of(1, 3))
      .catch(() => undefined)
    await until(() => stream.status !== 'open', `${protocol} to be reset`)
    assert.equal(heard, 0, protocol)
  }
})
