import assert from 'node:assert/strict'
import { test } from 'node:test'
import { peerIdFromString } from '@libp2p/peer-id'
import { MESH_LIMITS } from '../../src/mesh/limits.ts'
import { until } from '../support/until.ts'
import { arrives, bytes, identity, NETWORK, pair, ready, start, view, type Node } from './nodes.ts'

test('two friends exchange messages both ways, and each is told who sent them', async (t) => {
  const [a, b] = await pair(t)
  assert.equal(a.mesh.topic, `/banmesh/${NETWORK}/reports/1`)
  assert.equal(await a.mesh.publish(bytes('from a')), 1)
  assert.equal(await b.mesh.publish(bytes('from b')), 1)
  assert.deepEqual(await arrives(b, 'from a'), { text: 'from a', from: a.id })
  assert.deepEqual(await arrives(a, 'from b'), { text: 'from b', from: b.id })
})

test('a message published the moment a friend is ready arrives', async (t) => {
  const [one, two] = [await identity(), await identity()]
  const sent: Promise<number>[] = []
  const a = await start(
    t,
    {
      friends: [{ id: two.id, addresses: [] }],
      onFriend: (_, isReady) => void (isReady && sent.push(a.mesh.publish(bytes('at once'))))
    },
    one
  )
  const b = await start(t, { friends: [{ id: one.id, addresses: a.mesh.addresses() }] }, two)
  await arrives(b, 'at once')
  assert.equal(await sent[0], 1)
})

test('publishing with nobody there, and publishing the same bytes again, reaches nobody and throws nothing', async (t) => {
  const alone = await start(t)
  assert.equal(await alone.mesh.publish(bytes('anybody?')), 0)
  const [a, b] = await pair(t)
  assert.equal(await a.mesh.publish(bytes('once')), 1)
  assert.equal(await a.mesh.publish(bytes('once')), 0)
  await a.mesh.publish(bytes('end'))
  await arrives(b, 'end')
  assert.deepEqual(
    b.received.map(({ text }) => text),
    ['once', 'end']
  )
})

test('a message goes one hop: the friend of a friend gets it only if the friend publishes its own', async (t) => {
  const [one, two, three] = [await identity(), await identity(), await identity()]
  const middle = await start(
    t,
    {
      friends: [one, three].map(({ id }) => ({ id, addresses: [] })),
      async onMessage(message) {
        void middle.mesh.publish(bytes(`${Buffer.from(message).toString()} by way of the middle`))
        return 'ignore'
      }
    },
    two
  )
  const addresses = middle.mesh.addresses()
  const a = await start(t, { friends: [{ id: two.id, addresses }] }, one)
  const c = await start(t, { friends: [{ id: two.id, addresses }] }, three)
  await ready(a, middle)
  await ready(c, middle)
  await a.mesh.publish(bytes('hello'))
  await arrives(c, 'hello by way of the middle')
  assert.deepEqual(
    c.received.map(({ text, from }) => ({ text, from })),
    [{ text: 'hello by way of the middle', from: two.id }]
  )
})

test("a friend who sends another friend's bytes as its own does not suppress the true message", async (t) => {
  const [one, two, three] = [await identity(), await identity(), await identity()]
  const received: string[] = []
  const c = await start(
    t,
    {
      friends: [one, two].map(({ id }) => ({ id, addresses: [] })),
      async onMessage(_, from) {
        received.push(from)
        return from === two.id ? 'reject' : 'ignore'
      }
    },
    three
  )
  const addresses = c.mesh.addresses()
  const a = await start(t, { friends: [{ id: three.id, addresses }] }, one)
  const thief = await start(t, { friends: [{ id: three.id, addresses }] }, two)
  await ready(a, c)
  await ready(thief, c)
  await thief.mesh.publish(bytes('the same bytes'))
  await until(() => received.includes(two.id), 'the copy')
  await a.mesh.publish(bytes('the same bytes'))
  await until(() => received.includes(one.id), 'the true message')
})

test('a message of the largest size arrives, and one byte more is refused before anybody looks at it', async (t) => {
  const limit = 2000
  const [a, b] = await pair(t, {}, { limits: { messageBytes: limit } })
  await a.mesh.publish(bytes('x'.repeat(limit + 1)))
  await a.mesh.publish(bytes('y'.repeat(limit)))
  await arrives(b, 'y'.repeat(limit))
  assert.equal(b.received.length, 1)
})

test('an envelope of the size that the protocol allows arrives under the default limits', async (t) => {
  const [a, b] = await pair(t)
  const text = 'z'.repeat(MESH_LIMITS.messageBytes)
  await a.mesh.publish(bytes(text))
  await arrives(b, text)
})

test('nodes of different networks never talk, even if they are friends with an open connection', async (t) => {
  const [one, two] = [await identity(), await identity()]
  const a = await start(t, { network: 'red', friends: [{ id: two.id, addresses: [] }] }, one)
  const b = await start(t, { network: 'blue', friends: [{ id: one.id, addresses: a.mesh.addresses() }] }, two)
  await until(() => view(a, two.id).connected && view(b, one.id).connected, 'the connection')
  await until(async () => (await protocolsOf(b, one.id)).length > 0, 'identify')
  assert.equal(await a.mesh.publish(bytes('red')), 0)
  assert.equal(await b.mesh.publish(bytes('blue')), 0)
  assert.deepEqual([...a.received, ...b.received, ...a.told, ...b.told], [])
  assert.equal(a.mesh.dhtProtocol, '/banmesh/red/kad/1.0.0')
  assert.equal(await a.mesh.dhtPeers(), 0)
})

test('what a friend missed while its stream was broken is offered again and fetched', async (t) => {
  const [a, b] = await pair(t)
  for (const connection of a.mesh.libp2p.getConnections(peerIdFromString(b.id))) {
    const gossip = connection.streams.filter(({ protocol }) => protocol.startsWith('/meshsub/'))
    for (const stream of gossip) stream.abort(new Error('cut by the test'))
  }
  assert.equal(await a.mesh.publish(bytes('into the gap')), 0)
  await arrives(b, 'into the gap')
  await ready(a, b)
})

async function protocolsOf(node: Node, id: string): Promise<string[]> {
  return (await node.mesh.libp2p.peerStore.get(peerIdFromString(id))).protocols
}
