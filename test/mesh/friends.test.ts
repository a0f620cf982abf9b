import assert from 'node:assert/strict'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { test, type TestContext } from 'node:test'
import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { MemoryDatastore } from 'datastore-core/memory'
import { until } from '../support/until.ts'
import { arrives, build, bytes, identity, LOOPBACK, pair, quick, ready, start, view, type Node } from './nodes.ts'

test('a friend that restarts at the same address is connected again, and told of as ready again', async (t) => {
  const [one, two] = [await identity(), await identity()]
  const first = await build({ friends: [{ id: two.id, addresses: [] }], dht: false }, one)
  await first.mesh.start()
  const listen = first.mesh.addresses().map((address) => address.replace(`/p2p/${one.id}`, ''))
  const b = await start(t, { friends: [{ id: one.id, addresses: listen }], dht: false }, two)
  await ready(first, b)
  await first.mesh.stop()
  await until(() => !view(b, one.id).connected, 'the loss to be noticed')
  // It knows no address of b: b has to come.
  const again = await start(t, { friends: [{ id: two.id, addresses: [] }], dht: false, listen }, one)
  await ready(again, b)
  await b.mesh.publish(bytes('welcome back'))
  await arrives(again, 'welcome back')
  assert.deepEqual(
    b.told.map((event) => event.ready),
    [true, false, true]
  )
})

test('a friend that comes back elsewhere is connected again: it remembers where we are', async (t) => {
  const [one, two] = [await identity(), await identity()]
  const datastore = new MemoryDatastore()
  const a = await start(t, { friends: [{ id: two.id, addresses: [] }], dht: false }, one)
  const wandering = { friends: [{ id: one.id, addresses: a.mesh.addresses() }], dht: false, datastore }
  const before = await build(wandering, two)
  await before.mesh.start()
  await ready(a, before)
  await before.mesh.stop()
  const after = await start(t, { ...wandering, friends: [{ id: one.id, addresses: [] }] }, two)
  await ready(a, after)
  assert.notDeepEqual(after.mesh.addresses(), before.mesh.addresses())
})

test('a friend that accepts connections and then says nothing delays no other', async (t) => {
  const silent = await blackHole(t)
  const [dead, alive] = [await identity(), await identity()]
  const b = await build({ friends: [], dht: false }, alive)
  const a = await start(t, {
    dht: false,
    friends: [
      { id: dead.id, addresses: [silent] },
      { id: alive.id, addresses: ['/ip4/127.0.0.1/tcp/1'] }
    ]
  })
  await b.mesh.addFriend({ id: a.id, addresses: a.mesh.addresses() })
  t.after(() => b.mesh.stop())
  await b.mesh.start()
  await ready(a, b, 4000)
  assert.equal(view(a, dead.id).connected, false)
})

test('a friend that leaves the gossip stream unanswered delays no other', async (t) => {
  const [mute, alive] = [await identity(), await identity()]
  const limits = { streamTimeoutMs: 60_000 }
  const a = await start(t, { dht: false, limits, friends: [mute, alive].map(({ id }) => ({ id, addresses: [] })) })
  const m = await build({ dht: false, friends: [{ id: a.id, addresses: a.mesh.addresses() }] }, mute)
  t.after(() => m.mesh.stop())
  let streams = 0
  m.mesh.libp2p.addEventListener('connection:open', ({ detail }) => {
    const { muxer, onIncomingStream } = detail as unknown as {
      muxer: EventTarget
      onIncomingStream: (e: Event) => void
    }
    muxer.removeEventListener('stream', onIncomingStream)
    // identify is answered, nothing else is.
    muxer.addEventListener('stream', (event) => void (streams++ === 0 && onIncomingStream(event)))
  })
  await m.mesh.start()
  await until(() => streams === 2, 'the gossip stream to be asked for')
  const b = await start(t, { dht: false, friends: [{ id: a.id, addresses: a.mesh.addresses() }] }, alive)
  await ready(a, b, 4000)
  assert.equal(view(a, mute.id).connected, true)
  assert.equal(view(a, mute.id).ready, false)
})

test('both sides dial at the same time: one healthy link is left', async (t) => {
  const [one, two] = [await identity(), await identity()]
  const a = await build({ friends: [{ id: two.id, addresses: [] }], limits: { surplusAfterMs: 50 } }, one)
  const b = await build({ friends: [{ id: one.id, addresses: [] }], limits: { surplusAfterMs: 50 } }, two)
  const directions: string[] = []
  for (const [side, { mesh }] of [a, b].entries()) {
    t.after(() => mesh.stop())
    await mesh.start()
    mesh.libp2p.addEventListener('connection:open', ({ detail }) => directions.push(`${side} ${detail.direction}`))
  }
  const dial = (node: Node, other: Node): Promise<unknown> =>
    node.mesh.libp2p.dial(other.mesh.addresses().map(multiaddr), { force: true })
  await Promise.all([dial(a, b), dial(b, a)])
  await until(() => directions.length === 4, 'two connections, seen by both')
  assert.deepEqual(directions.sort(), ['0 inbound', '0 outbound', '1 inbound', '1 outbound'])
  const open = (node: Node, other: Node): number =>
    node.mesh.libp2p.getConnections(peerIdFromString(other.id)).filter(({ status }) => status === 'open').length
  await until(() => open(a, b) === 1 && open(b, a) === 1, 'one connection on both sides')
  await ready(a, b)
  await a.mesh.publish(bytes('one way'))
  await b.mesh.publish(bytes('the other'))
  await Promise.all([arrives(b, 'one way'), arrives(a, 'the other')])
  assert.equal(directions.length, 4)
})

test('after a friend was removed no message of it is taken, and the connection is gone', async (t) => {
  const [a, b] = await pair(t)
  let last = 0
  const flood = setInterval(() => {
    for (let i = 0; i < 20; i++) void b.mesh.publish(bytes(`flood ${Math.random()}`)).then((sent) => (last = sent))
  })
  t.after(() => clearInterval(flood))
  await until(() => a.received.length > 100, 'the flood')
  const removal = a.mesh.removeFriend(b.id)
  assert.equal(a.mesh.isFriend(b.id), false)
  const taken = a.received.length
  await removal
  await until(() => !view(b, a.id).ready && last === 0, 'the other side to notice')
  assert.equal(a.received.length, taken)
  assert.deepEqual(a.mesh.friends(), [])
  assert.equal(await a.mesh.publish(bytes('for nobody')), 0)
  assert.deepEqual(b.received, [])
})

test('a stranger who is connected already becomes a friend, whoever adds the other first', async (t) => {
  const a = await start(t)
  const b = await start(t)
  await b.mesh.libp2p.dial(a.mesh.addresses().map(multiaddr))
  await a.mesh.addFriend({ id: b.id, addresses: b.mesh.addresses() })
  await until(() => view(a, b.id).connected, 'the first side to connect')
  assert.equal(view(a, b.id).ready, false)
  await b.mesh.addFriend({ id: a.id, addresses: a.mesh.addresses() })
  await ready(a, b)
  await a.mesh.publish(bytes('friends'))
  await arrives(b, 'friends')
})

test('whoever adds us long after we have given up hope is a friend at once', async (t) => {
  const [one, two] = [await identity(), await identity()]
  const a = await start(t, {}, one)
  const friends = [{ id: one.id, addresses: a.mesh.addresses() }]
  const b = await build({ friends, delayMs: () => 60_000 }, two)
  t.after(() => b.mesh.stop())
  let asked = 0
  b.mesh.libp2p.addEventListener('connection:open', ({ detail }) => {
    const open = detail.newStream
    detail.newStream = (protocols, options) => {
      if (protocols.includes('/meshsub/1.2.0')) asked++
      return open(protocols, options)
    }
  })
  await b.mesh.start()
  await until(() => asked === 2, 'the second refusal; the third try is due in a minute')
  await b.mesh.publish(bytes('too early'))
  await a.mesh.addFriend({ id: two.id, addresses: b.mesh.addresses() })
  await ready(a, b)
  assert.deepEqual(a.received, [])
})

test('twelve and more friends behind one address all connect at once, and all deliver', async (t) => {
  const many = await Promise.all(Array.from({ length: 14 }, () => identity()))
  const hub = await start(t, { friends: many.map(({ id }) => ({ id, addresses: [] })) })
  const friends = [{ id: hub.id, addresses: hub.mesh.addresses() }]
  const others = await Promise.all(many.map((who) => start(t, { dht: false, friends, delayMs: patient }, who)))
  await Promise.all(others.map((other) => ready(hub, other)))
  assert.equal(await hub.mesh.publish(bytes('to all')), others.length)
  await Promise.all(others.map((other) => arrives(other, 'to all')))
  await Promise.all(others.map((other, i) => other.mesh.publish(bytes(`from ${i}`))))
  await Promise.all(others.map((_, i) => arrives(hub, `from ${i}`)))
})

test('a connection on which gossip does not get ready is made anew, until it does', async (t) => {
  const [one, two] = [await identity(), await identity()]
  const limits = { readyTimeoutMs: 50 }
  // Of another network: it takes the gossip stream, and never subscribes to our topic.
  const a = await start(t, { network: 'red', friends: [{ id: two.id, addresses: [] }], limits }, one)
  const b = await build({ network: 'blue', friends: [{ id: one.id, addresses: a.mesh.addresses() }] }, two)
  t.after(() => b.mesh.stop())
  let connections = 0
  a.mesh.libp2p.addEventListener('connection:open', () => connections++)
  await b.mesh.start()
  await until(() => connections >= 3, 'the third connection')
  assert.deepEqual(a.told, [])
})

test('a new address of a known friend is tried at once', async (t) => {
  const [one, two] = [await identity(), await identity()]
  const a = await start(t, { dht: false, friends: [{ id: two.id, addresses: [] }] }, one)
  const dead = '/ip4/127.0.0.1/tcp/1'
  const b = await start(t, { dht: false, friends: [{ id: one.id, addresses: [dead] }], delayMs: () => 60_000 }, two)
  await b.mesh.addFriend({ id: one.id, addresses: [dead, ...a.mesh.addresses()] })
  await ready(a, b)
})

test('the state of a friend says where it is, since when, and how far away', async (t) => {
  const [a, b] = await pair(t, { limits: { pingIntervalMs: 50 } })
  const state = await until(() => [view(a, b.id)].find(({ rttMs }) => rttMs !== null), 'a ping')
  assert.ok(state.connected && state.ready)
  assert.equal(state.addresses.length, 1)
  assert.ok(state.connectedSince! <= state.lastSeen!)
  await b.mesh.stop()
  await until(() => !view(a, b.id).connected, 'the end')
  const after = view(a, b.id)
  assert.deepEqual(
    { ...after, lastSeen: null, addresses: [] },
    {
      id: b.id,
      connected: false,
      ready: false,
      waiting: false,
      addresses: [],
      lastSeen: null,
      connectedSince: null,
      rttMs: null
    }
  )
  assert.ok(after.lastSeen! >= state.connectedSince!)
  assert.ok(after.addresses.length > 0, 'where it will be looked for')
})

test('friends open streams of a protocol to each other; a former friend can not', async (t) => {
  const [one, two] = [await identity(), await identity()]
  const a = await build({ friends: [{ id: two.id, addresses: [] }] }, one)
  const opened: string[] = []
  await a.mesh.handle('/banmesh/test/echo/1', (stream, connection) => {
    opened.push(connection.remotePeer.toString())
    stream.addEventListener('message', ({ data }) => stream.send(data))
  })
  t.after(() => a.mesh.stop())
  await a.mesh.start()
  const b = await start(t, { friends: [{ id: one.id, addresses: a.mesh.addresses() }] }, two)
  await ready(a, b)
  const stream = await b.mesh.openStream(a.id, '/banmesh/test/echo/1')
  const heard: string[] = []
  stream.addEventListener('message', ({ data }) => heard.push(Buffer.from(data.subarray()).toString()))
  stream.send(bytes('echo'))
  await until(() => heard.join('') === 'echo', 'the echo')
  await a.mesh.removeFriend(b.id)
  await until(() => stream.status !== 'open', 'the end of the stream')
  await b.mesh.libp2p.dial(a.mesh.addresses().map(multiaddr))
  const refused = await b.mesh.openStream(a.id, '/banmesh/test/echo/1')
  await until(() => refused.status !== 'open', 'the refusal')
  assert.deepEqual(opened, [b.id])
  await assert.rejects(a.mesh.openStream(b.id, '/banmesh/test/echo/1'), /no connection with this friend/)
})

/** Listens, accepts, and never says a word. */
async function blackHole(t: TestContext): Promise<string> {
  const sockets = new Set<Socket>()
  const server: Server = createServer((socket) => sockets.add(socket.on('error', () => {})))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return LOOPBACK.replace('/0', `/${(server.address() as AddressInfo).port}`)
}

/** A first try at once; everything after it later than the test would wait. */
function patient(attempt: number): number {
  return attempt === 0 ? quick(0) : 60_000
}
