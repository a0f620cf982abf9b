import assert from 'node:assert/strict'
import { test } from 'node:test'
import { peerIdFromString } from '@libp2p/peer-id'
import { RPC } from '@chainsafe/libp2p-gossipsub/message'
import { multiaddr } from '@multiformats/multiaddr'
import { encode } from 'it-length-prefixed'
import { MESH_LIMITS } from '../../src/mesh/limits.ts'
import { until } from '../support/until.ts'
import {
  arrives,
  bytes,
  identity,
  NETWORK,
  pair,
  ready,
  start,
  stranger,
  view,
  type Identity,
  type Node
} from './nodes.ts'

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

test('a frame over the limit costs the stream, which comes back, and not the friendship', async (t) => {
  const [a, b] = await pair(t, {}, { limits: { gossipFrameBytes: 10_000 } })
  await a.mesh.publish(bytes('x'.repeat(20_000)))
  await until(() => b.told.some((event) => !event.ready), 'the stream to break')
  await ready(a, b)
  await a.mesh.publish(bytes('small'))
  await b.mesh.publish(bytes('too'))
  await Promise.all([arrives(b, 'small'), arrives(a, 'too')])
  assert.deepEqual(
    b.received.map(({ text }) => text),
    ['small']
  )
})

test('for a friend who does not read only so much is kept, and other friends do not wait', async (t) => {
  const [slow, quick] = [await identity(), await identity()]
  const limits = { gossipBufferBytes: 200_000 }
  const a = await start(t, { limits, friends: [slow, quick].map(({ id }) => ({ id, addresses: [] })) })
  const sleeper = await stranger(t, slow)
  await sleeper.libp2p.handle('/meshsub/1.2.0', (stream) => stream.pause(), { force: true })
  await sleeper.libp2p.dial(a.mesh.addresses().map(multiaddr))
  const b = await start(t, { friends: [{ id: a.id, addresses: a.mesh.addresses() }] }, quick)
  await ready(a, b)
  await until(() => view(a, slow.id).ready, 'the friend who does not read')
  let sent = 0
  while (!a.told.some((event) => event.friend === slow.id && !event.ready)) {
    const text = `${sent++} ${'x'.repeat(50_000)}`
    await a.mesh.publish(bytes(text))
    await arrives(b, text)
  }
  // yamux sends 256 KiB ahead; what comes on top is in our memory.
  assert.ok(sent * 50_000 < 256 * 1024 + limits.gossipBufferBytes + 2 * 50_000, `${sent} messages were taken`)
})

test('so many subscriptions in one frame are read, and a frame with one more is refused as a whole', async (t) => {
  const [even, odd] = [await identity(), await identity()]
  const limits = { gossipControlsPerFrame: 4 }
  const a = await start(t, { limits, friends: [even, odd].map(({ id }) => ({ id, addresses: [] })) })
  const subscribe = async (who: Identity, count: number): Promise<void> => {
    const { libp2p } = await stranger(t, who)
    libp2p.services.gossip.unsubscribe(a.mesh.topic)
    await libp2p.dial(a.mesh.addresses().map(multiaddr))
    const stream = await libp2p.dialProtocol(peerIdFromString(a.id), '/meshsub/1.2.0')
    const topics = Array.from({ length: count }, (_, i) => (i === 0 ? a.mesh.topic : `${a.mesh.topic}/${i}`))
    const subscriptions = topics.map((topic) => ({ topic, subscribe: true }))
    stream.send(encode.single(RPC.encode({ subscriptions, messages: [] })))
    await libp2p.services.ping.ping(peerIdFromString(a.id))
  }
  await subscribe(odd, limits.gossipControlsPerFrame + 1)
  await subscribe(even, limits.gossipControlsPerFrame)
  await until(() => view(a, even.id).ready, 'the subscription to be read')
  assert.equal(view(a, odd.id).ready, false)
})

async function protocolsOf(node: Node, id: string): Promise<string[]> {
  return (await node.mesh.libp2p.peerStore.get(peerIdFromString(id))).protocols
}
