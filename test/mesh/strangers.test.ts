import assert from 'node:assert/strict'
import { test } from 'node:test'
import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { until } from '../support/until.ts'
import { arrives, bytes, identity, pair, ready, start, stranger, view } from './nodes.ts'

test('a stranger who knows everything and speaks gossipsub receives nothing and delivers nothing', async (t) => {
  const [a, b] = await pair(t)
  const eve = await stranger(t)
  await eve.libp2p.dial(a.mesh.addresses().map(multiaddr))
  const peer = peerIdFromString(a.id)

  // It takes part in the DHT ...
  const found = await until(async () => lookUp(eve, b.id), 'the DHT to answer the stranger')
  assert.ok(found.includes(b.mesh.addresses()[0]!.replace(`/p2p/${b.id}`, '')), found.join())
  // ... and its gossipsub believes to be a neighbour, as far as it can know by itself.
  const [connection] = eve.libp2p.getConnections(peer)
  const refused = await connection!.newStream('/meshsub/1.2.0')
  await until(() => refused.status !== 'open', 'the stream to be reset')

  assert.equal(await a.mesh.publish(bytes('for friends')), 1)
  await arrives(b, 'for friends')
  await eve.publish('from a stranger')
  for (let i = 0; i < 3; i++) await eve.libp2p.services.ping.ping(peer)
  assert.deepEqual(eve.received, [])
  assert.deepEqual(eve.libp2p.services.gossip.getSubscribers(a.mesh.topic), [])
  assert.deepEqual(a.received, [])
  assert.ok(a.mesh.libp2p.getConnections(peerIdFromString(eve.id)).length > 0, 'still connected, as anybody may be')
})

test('without the DHT a stranger is refused right after the handshake, and friends are not', async (t) => {
  const [one, two] = [await identity(), await identity()]
  const a = await start(t, { dht: false, friends: [{ id: two.id, addresses: [] }] }, one)
  const eve = await stranger(t)
  const opened: string[] = []
  a.mesh.libp2p.addEventListener('connection:open', ({ detail }) => opened.push(detail.remotePeer.toString()))
  // The dialling side can't tell before the refusal comes: for it the handshake is complete.
  await eve.libp2p.dial(a.mesh.addresses().map(multiaddr)).catch(() => {})
  await until(() => eve.libp2p.getConnections().length === 0, 'the refusal')
  assert.deepEqual(opened, [])
  await assert.rejects(a.mesh.libp2p.dial(eve.libp2p.getMultiaddrs()), 'nor does it dial strangers')
  const b = await start(t, { dht: false, friends: [{ id: one.id, addresses: a.mesh.addresses() }] }, two)
  await ready(a, b)
  assert.equal(await a.mesh.dhtPeers(), 0)
})

test('over the limit of connections the idlest stranger goes, and a friend who comes later is let in', async (t) => {
  const friend = await identity()
  const a = await start(t, { friends: [{ id: friend.id, addresses: [] }], limits: { maxConnections: 2 } })
  const to = a.mesh.addresses().map(multiaddr)
  const count = (): number => a.mesh.libp2p.getConnections().length
  for (let i = 1; i <= 2; i++) {
    await (await stranger(t)).libp2p.dial(to)
    await until(() => count() === i, `${i} strangers`)
  }
  await (await stranger(t)).libp2p.dial(to)
  await until(() => count() === 2, 'one stranger to go')
  const b = await start(t, { friends: [{ id: a.id, addresses: a.mesh.addresses() }] }, friend)
  await ready(a, b)
  await until(() => count() === 2, 'another stranger to go')
  assert.ok(view(a, b.id).connected)
})

test('a stranger may have a few connections, and no more', async (t) => {
  const a = await start(t, { limits: { connectionsPerStranger: 2 } })
  const eve = await stranger(t)
  const opened: string[] = []
  a.mesh.libp2p.addEventListener('connection:open', ({ detail }) => opened.push(detail.remotePeer.toString()))
  for (let i = 0; i < 3; i++) {
    await eve.libp2p.dial(a.mesh.addresses().map(multiaddr), { force: true }).catch(() => {})
  }
  await until(() => eve.libp2p.getConnections().length === 2, 'the refusal')
  assert.deepEqual(opened, [eve.id, eve.id])
})

test('a flood of subscriptions from a stranger reaches nothing, and one from a friend is not kept', async (t) => {
  const friend = await identity()
  const a = await start(t, { friends: [{ id: friend.id, addresses: [] }] })
  const loud = await stranger(t, friend)
  const eve = await stranger(t)
  for (const peer of [loud, eve]) await peer.libp2p.dial(a.mesh.addresses().map(multiaddr))
  await until(() => view(a, loud.id).ready, 'the loud friend to be ready')
  for (const { libp2p } of [loud, eve]) {
    for (let i = 0; i < 5000; i++) libp2p.services.gossip.subscribe(`${a.mesh.topic}/${i}`)
  }
  for (const peer of [loud, eve]) await peer.libp2p.services.ping.ping(peerIdFromString(a.id))
  assert.equal(view(a, loud.id).ready, true)
  await loud.publish('after the flood')
  await arrives(a, 'after the flood')
  const { topics } = a.mesh.libp2p.services['gossip'] as { topics: Map<string, Set<string>> }
  assert.deepEqual(
    [...topics].map(([topic, peers]) => [topic, [...peers]]),
    [[a.mesh.topic, [friend.id]]]
  )
})

async function lookUp(who: Awaited<ReturnType<typeof stranger>>, id: string): Promise<string[] | null> {
  const signal = AbortSignal.timeout(2000)
  try {
    for await (const event of who.libp2p.services.dht.findPeer(peerIdFromString(id), { useCache: false, signal })) {
      if (event.name === 'FINAL_PEER') return event.peer.multiaddrs.map(String)
    }
  } catch {
    // Not yet.
  }
  return null
}
