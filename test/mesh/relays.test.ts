import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { circuitRelayTransport } from '@libp2p/circuit-relay-v2'
import { noise } from '@chainsafe/libp2p-noise'
import { identify } from '@libp2p/identify'
import { peerIdFromString } from '@libp2p/peer-id'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import type { MeshLimits } from '../../src/mesh/limits.ts'
import type { MeshOptions } from '../../src/mesh/mesh.ts'
import { until } from '../support/until.ts'
import { arrives, bytes, identity, LOOPBACK, ready, start, view, type Identity, type Node } from './nodes.ts'

const SOON = { relayCheckMs: 50 }

/** Nobody can dial a, nor b: they don't listen. Both know where the relay is, and each other by peer ID only. */
async function through(
  t: TestContext,
  relayOptions: Partial<MeshOptions> = {},
  dht = false,
  limits: Partial<MeshLimits> = SOON
): Promise<{ a: Node; b: Node; relay: Node; ids: Identity[] }> {
  const [one, two, three] = [await identity(), await identity(), await identity()]
  const friends = [one, two].map(({ id }) => ({ id, addresses: [] }))
  const relay = await start(t, { dht, friends, ...relayOptions }, three)
  const at = { id: three.id, addresses: relay.mesh.addresses() }
  const a = await start(t, { dht, listen: [], limits, friends: [at, { id: two.id, addresses: [] }] }, one)
  const b = await start(t, { dht, listen: [], limits, friends: [at, { id: one.id, addresses: [] }] }, two)
  return { a, b, relay, ids: [one, two, three] }
}

for (const dht of [false, true]) {
  test(`two friends without a port meet through a common friend, and gossip and open streams (DHT ${dht})`, async (t) => {
    const { a, b, relay } = await through(t, {}, dht)
    await ready(a, b)
    const way = view(a, b.id).addresses[0]!
    assert.ok(way.includes(`/p2p/${relay.id}/p2p-circuit`), way)
    await a.mesh.publish(bytes('through a friend'))
    assert.equal((await arrives(b, 'through a friend')).from, a.id)
    await b.mesh.handle('/banmesh/test/echo/1', (stream) => {
      stream.addEventListener('message', ({ data }) => stream.send(data))
    })
    const stream = await a.mesh.openStream(b.id, '/banmesh/test/echo/1')
    let heard = 0
    stream.addEventListener('message', ({ data }) => (heard += data.byteLength))
    // More than libp2p's own limit for a relayed connection, 128 KiB.
    for (let i = 0; i < 20; i++) {
      stream.send(new Uint8Array(16 * 1024))
      await until(() => heard === (i + 1) * 16 * 1024, 'the echo')
    }
  })
}

test('when the relay is restarted the friends meet again through it', async (t) => {
  const { a, b, relay, ids } = await through(t)
  await ready(a, b)
  const [address] = relay.mesh.addresses()
  await relay.mesh.stop()
  await until(() => !view(a, b.id).connected && !view(b, a.id).connected, 'the loss')
  const friends = ids.slice(0, 2).map(({ id }) => ({ id, addresses: [] }))
  await start(t, { dht: false, friends, listen: [address!.replace(/\/p2p\/.*/, '')] }, ids[2])
  await ready(a, b, 20_000)
})

test('a relayed connection that has used up its bytes is cut, and made anew', async (t) => {
  const { a, b } = await through(t, { limits: { relayedBytes: 200_000 } })
  await ready(a, b)
  let opened = 0
  a.mesh.libp2p.addEventListener('connection:open', () => opened++)
  for (let i = 0; opened === 0 && i < 400; i++) await a.mesh.publish(bytes(`${i} ${'x'.repeat(5000)}`))
  await until(() => opened > 0, 'a new connection')
  await ready(a, b)
  await a.mesh.publish(bytes('after the cut'))
  await arrives(b, 'after the cut')
})

test('nobody is relayed who is not a friend of the relay, by reservation or by connection, and nobody to one who is none', async (t) => {
  for (const dht of [true, false]) {
    const { a, b, relay } = await through(t, {}, dht)
    await ready(a, b)
    const { libp2p: eve } = await outsider(t)
    const [address] = relay.mesh.addresses()
    await eve.dial(multiaddr(address)).catch(() => {})
    await assert.rejects(eve.dial(multiaddr(`${address}/p2p-circuit/p2p/${a.id}`)))
    const hop = async () => {
      const [connection] = eve.getConnections(peerIdFromString(relay.id))
      const stream = await connection!.newStream('/libp2p/circuit/relay/0.2.0/hop')
      await until(() => stream.status !== 'open', 'the refusal')
    }
    if (dht) await hop()
    else assert.equal(eve.getConnections().length, 0)
    const { reservations } = relay.mesh.libp2p.services['relay'] as { reservations: Map<unknown, unknown> }
    assert.equal(reservations.size, 2)
  }
})

test('a friend of the relay, but not of the one behind it, gets no connection with it', async (t) => {
  const eve = await identity()
  const [one, three] = [await identity(), await identity()]
  const friends = [one, eve].map(({ id }) => ({ id, addresses: [] }))
  const relay = await start(t, { dht: false, friends }, three)
  const at = { id: three.id, addresses: relay.mesh.addresses() }
  const a = await start(t, { dht: false, listen: [], limits: SOON, friends: [at] }, one)
  const e = await start(t, { dht: false, friends: [at, { id: one.id, addresses: [] }], limits: SOON }, eve)
  await ready(a, relay)
  await ready(e, relay)
  await until(() => a.mesh.addresses().length > 0, 'the reservation')
  await assert.rejects(e.mesh.libp2p.dial(multiaddr(`${relay.mesh.addresses()[0]}/p2p-circuit/p2p/${one.id}`)))
  assert.equal(a.mesh.libp2p.getConnections(peerIdFromString(eve.id)).length, 0)
})

test('a stranger who offers itself as a relay is not used as one, and an address behind a stranger is not dialled', async (t) => {
  const a = await start(t, { listen: [LOOPBACK] })
  const { libp2p: eve } = await outsider(t)
  await eve.dial(a.mesh.addresses().map(multiaddr))
  const [connection] = eve.getConnections()
  const stop = await connection!.newStream('/libp2p/circuit/relay/0.2.0/stop')
  await until(() => stop.status !== 'open', 'the refusal')
  assert.deepEqual(
    a.mesh.addresses().filter((address) => address.includes('p2p-circuit')),
    []
  )
  const [address] = eve.getMultiaddrs()
  const someone = await identity()
  await assert.rejects(a.mesh.libp2p.dial(multiaddr(`${String(address)}/p2p-circuit/p2p/${someone.id}`)), {
    name: 'DialDeniedError'
  })
})

test('friends who relay nothing, and a node that wants no relay, stay as they are', async (t) => {
  const { a, b, relay } = await through(t, { relay: false })
  await ready(a, relay)
  await ready(b, relay)
  assert.deepEqual(
    relay.mesh.libp2p.getProtocols().filter((name) => name.includes('circuit')),
    []
  )
  assert.equal(view(a, b.id).connected, false)
})

test('a friend who can be dialled after all is connected directly, and the relayed connection goes', async (t) => {
  const [one, two, three] = [await identity(), await identity(), await identity()]
  const friends = [one, two].map(({ id }) => ({ id, addresses: [] }))
  const relay = await start(t, { dht: false, friends }, three)
  const at = { id: three.id, addresses: relay.mesh.addresses() }
  const limits = { ...SOON, directRetryMs: 100 }
  const a = await start(t, { dht: false, limits, friends: [at, { id: two.id, addresses: [] }] }, one)
  const b = await start(t, { dht: false, listen: [], limits, friends: [at, { id: one.id, addresses: [] }] }, two)
  await ready(a, b)
  await until(
    () => !view(b, a.id).addresses.some((way) => way.includes('p2p-circuit')),
    'the direct connection',
    20_000
  )
  await ready(a, b)
})

test('a friend whose router opens a port later is asked for its new address, and dialled', async (t) => {
  const { a, b } = await through(t, {}, false, { ...SOON, directRetryMs: 100 })
  await ready(a, b)
  const { transportManager } = (a.mesh.libp2p as unknown as { components: Components }).components
  await transportManager.listen([multiaddr(LOOPBACK)])
  await until(() => !view(b, a.id).addresses.some((way) => way.includes('p2p-circuit')), 'the direct connection')
  await ready(a, b)
})

interface Components {
  readonly transportManager: { listen(addresses: readonly Multiaddr[]): Promise<void> }
}

/** libp2p with a relay client, and nobody's friend. */
async function outsider(t: TestContext) {
  const libp2p = await createLibp2p({
    addresses: { listen: [LOOPBACK] },
    transports: [tcp(), circuitRelayTransport()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: { identify: identify() }
  })
  t.after(() => libp2p.stop())
  return { libp2p }
}
