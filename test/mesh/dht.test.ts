import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { MemoryDatastore } from 'datastore-core/memory'
import { multiaddr } from '@multiformats/multiaddr'
import { until } from '../support/until.ts'
import { arrives, build, bytes, identity, ready, start, stranger, view, type Identity, type Node } from './nodes.ts'

test('nodes that know peer IDs and one bootstrap node, nobody else, find each other by the DHT', async (t) => {
  const bootstrap = await start(t)
  const nodes = await friends(t, bootstrap, 3)
  for (const [i, node] of nodes.entries()) {
    for (const other of nodes.slice(i + 1)) await ready(node, other)
  }
  const [a, ...others] = nodes as [Node, ...Node[]]
  assert.equal(await a.mesh.publish(bytes('found')), others.length)
  await Promise.all(others.map((other) => arrives(other, 'found')))
  assert.deepEqual(bootstrap.received, [])
  assert.ok((await a.mesh.dhtPeers()) >= 1)
})

test('nothing is dialled or known but our own nodes: no trace of the public IPFS DHT', async (t) => {
  const bootstrap = await start(t)
  const dialled = new Set<string>()
  const nodes = await friends(t, bootstrap, 2, (address) => dialled.add(address))
  await ready(nodes[0]!, nodes[1]!)
  const ours = [bootstrap, ...nodes]
  const listening = new Set(ours.flatMap(({ mesh }) => mesh.addresses()))
  for (const address of dialled) assert.ok(listening.has(address), address)
  for (const { mesh } of ours) {
    for (const { id, protocols } of await mesh.libp2p.peerStore.all()) {
      assert.ok(
        ours.some((node) => node.id === id.toString()),
        id.toString()
      )
      assert.deepEqual(
        protocols.filter((protocol) => protocol.startsWith('/ipfs/kad')),
        []
      )
    }
    assert.deepEqual(
      mesh.libp2p.getProtocols().filter((protocol) => protocol.includes('kad')),
      [mesh.dhtProtocol]
    )
  }
})

test('a dnsaddr is not resolved, wherever it comes from', async (t) => {
  const node = await start(t)
  await assert.rejects(node.mesh.libp2p.dial(multiaddr('/dnsaddr/bootstrap.libp2p.io')), {
    name: 'NoValidAddressesError'
  })
})

test('after the bootstrap node has died, a friend that comes back elsewhere, remembering nothing, is found', async (t) => {
  const entry = await build()
  await entry.mesh.start()
  const [a, b, c] = (await friends(t, entry, 3)) as [Node, Node, Node]
  for (const [one, two] of [
    [a, b],
    [b, c],
    [a, c]
  ] as const)
    await ready(one, two)
  await entry.mesh.stop()
  await b.mesh.stop()
  // It knows a by address, and c by peer ID only: c is asked for in the DHT.
  const again = await start(
    t,
    {
      friends: [
        { id: a.id, addresses: a.mesh.addresses() },
        { id: c.id, addresses: [] }
      ]
    },
    { id: b.id, key: b.key }
  )
  await ready(again, a)
  await ready(again, c)
})

test('a friend that moved, and does not look for us, is found in the DHT although we knew an address', async (t) => {
  const bootstrap = (await start(t)).mesh.addresses()
  const [one, two] = [await identity(), await identity()]
  const a = await start(t, { bootstrap, friends: [{ id: two.id, addresses: [] }] }, one)
  const before = await build({ bootstrap }, two)
  await before.mesh.start()
  await until(() => view(a, two.id).connected, 'the friend')
  await before.mesh.stop()
  await until(() => !view(a, two.id).connected, 'the loss')
  await start(t, { bootstrap }, two)
  await until(() => view(a, two.id).connected, 'the friend at its new address')
})

test('found addresses are remembered: after a restart friends meet without the DHT and without the bootstrap', async (t) => {
  const bootstrap = await build()
  await bootstrap.mesh.start()
  const [one, two] = [await identity(), await identity()]
  const datastore = new MemoryDatastore()
  const options = { bootstrap: bootstrap.mesh.addresses(), friends: [{ id: two.id, addresses: [] }], datastore }
  const before = await build(options, one)
  await before.mesh.start()
  const b = await start(t, { bootstrap: bootstrap.mesh.addresses(), friends: [{ id: one.id, addresses: [] }] }, two)
  await ready(before, b)
  await until(() => view(before, b.id).addresses.length > 0, 'an address')
  await before.mesh.stop()
  await bootstrap.mesh.stop()
  const after = await start(t, { ...options, dht: false, bootstrap: [] }, one)
  await ready(after, b)
})

test('lies about a friend in the DHT cost time, not the friend', async (t) => {
  const [one, two] = [await identity(), await identity()]
  const liar = await stranger(t)
  const honest = await start(t)
  await liar.libp2p.dial(honest.mesh.addresses().map(multiaddr))
  const bootstrap = [...honest.mesh.addresses(), ...liar.libp2p.getMultiaddrs().map(String)]
  const b = await start(t, { bootstrap, friends: [{ id: one.id, addresses: [] }], dht: true }, two)
  await until(
    async () => (await liar.libp2p.peerStore.has(b.mesh.libp2p.peerId)) || null,
    'the liar to know the friend'
  )
  await liar.libp2p.peerStore.patch(b.mesh.libp2p.peerId, {
    multiaddrs: [multiaddr('/ip4/127.0.0.1/tcp/1'), multiaddr('/dnsaddr/bootstrap.libp2p.io')]
  })
  const a = await start(t, { bootstrap, friends: [{ id: two.id, addresses: [] }] }, one)
  await ready(a, b)
})

/** Friends of each other, who know the bootstrap node's address and nothing else. */
async function friends(
  t: TestContext,
  bootstrap: Node,
  count: number,
  onDial: (address: string) => void = () => {}
): Promise<Node[]> {
  const all: Identity[] = await Promise.all(Array.from({ length: count }, () => identity()))
  const nodes = all.map((who) =>
    build(
      {
        bootstrap: bootstrap.mesh.addresses(),
        friends: all.filter(({ id }) => id !== who.id).map(({ id }) => ({ id, addresses: [] }))
      },
      who
    )
  )
  return Promise.all(
    nodes.map(async (built) => {
      const node = await built
      node.mesh.libp2p.addEventListener('connection:open', ({ detail }) => {
        if (detail.direction === 'outbound') onDial(detail.remoteAddr.toString())
      })
      t.after(() => node.mesh.stop())
      await node.mesh.start()
      return node
    })
  )
}
