import assert from 'node:assert/strict'
import { test } from 'node:test'
import { peerIdFromPrivateKey, peerIdFromString } from '@libp2p/peer-id'
import { until } from '../support/until.ts'
import { build, bytes, identity, LOOPBACK, pair, ready, start } from './nodes.ts'

test('started and stopped five times, with friends, lookups and dials under way, a node leaves nothing behind', async () => {
  const before = process.getActiveResourcesInfo().length
  for (let i = 0; i < 5; i++) {
    const [one, two, missing] = [await identity(), await identity(), await identity()]
    const a = await build({ friends: [two, missing].map(({ id }) => ({ id, addresses: [] })) }, one)
    await a.mesh.start()
    const unreachable = { id: missing.id, addresses: ['/ip4/127.0.0.1/tcp/1'] }
    const b = await build({ friends: [{ id: one.id, addresses: a.mesh.addresses() }, unreachable] }, two)
    await b.mesh.start()
    await ready(a, b)
    await Promise.all([a.mesh.stop(), b.mesh.stop()])
    assert.equal(a.mesh.libp2p.getConnections().length, 0)
  }
  await until(() => process.getActiveResourcesInfo().length <= before, 'timers and sockets to be gone')
})

test('stopping is bounded, and may come at once, twice, or before the start', async () => {
  const never = await build()
  await never.mesh.stop()
  const node = await build()
  await node.mesh.start()
  await Promise.all([node.mesh.stop(), node.mesh.stop()])
  await node.mesh.stop()
})

test('two nodes can not listen on one port: the second says so when it starts', async (t) => {
  const a = await start(t)
  const listen = a.mesh.addresses().map((address) => address.replace(`/p2p/${a.id}`, ''))
  const b = await build({ listen })
  await assert.rejects(b.mesh.start())
  await b.mesh.stop()
})

test('an address that can not be listened on is left out as long as there is another', async (t) => {
  const node = await start(t, { listen: [LOOPBACK, '/ip6/2001:db8::1/tcp/0'] })
  assert.equal(node.mesh.addresses().length, 1)
})

test('announced addresses are told besides those we listen on', async (t) => {
  const node = await start(t, { announce: ['/ip4/192.0.2.1/tcp/7337'] })
  const addresses = node.mesh.addresses()
  assert.ok(addresses.includes(`/ip4/192.0.2.1/tcp/7337/p2p/${node.id}`))
  assert.equal(addresses.length, 2)
})

test('broken addresses of one friend take nobody else down', async (t) => {
  const [one, two, broken] = [await identity(), await identity(), await identity()]
  const a = await start(t, { friends: [{ id: two.id, addresses: [] }] }, one)
  const b = await start(
    t,
    {
      friends: [
        { id: broken.id, addresses: ['nonsense', '/ip4/300.1.1.1/tcp/1', '', `/ip4/127.0.0.1/tcp/1/p2p/${two.id}`] },
        { id: one.id, addresses: a.mesh.addresses() }
      ]
    },
    two
  )
  await ready(a, b)
  assert.deepEqual(b.mesh.friends()[0]!.addresses, [])
})

test('strangers are forgotten before the peer store grows over its limit', async (t) => {
  const limits = { knownPeers: 10, maxConnections: 2 }
  const friend = await identity()
  const a = await start(t, { limits, friends: [{ id: friend.id, addresses: [] }] })
  const b = await start(t, { friends: [{ id: a.id, addresses: a.mesh.addresses() }] }, friend)
  await ready(a, b)
  for (let i = 0; i < 25; i++) {
    const { id, key } = await identity()
    await a.mesh.libp2p.peerStore.merge(peerIdFromPrivateKey(key), { metadata: { seen: bytes(id) } })
  }
  await until(async () => (await a.mesh.libp2p.peerStore.all()).length <= limits.knownPeers, 'the sweep')
  assert.ok(await a.mesh.libp2p.peerStore.has(b.mesh.libp2p.peerId))
})

test('a stream asked for in the turn in which its connection ends is an error, and not the end of the process', async (t) => {
  const [a, b] = await pair(t)
  const [connection] = a.mesh.libp2p.getConnections(peerIdFromString(b.id))
  const stream = connection!.newStream('/ipfs/ping/1.0.0')
  connection!.abort(new Error('ended by the test'))
  await assert.rejects(stream)
  await ready(a, b)
})
