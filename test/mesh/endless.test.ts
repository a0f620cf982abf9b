/** What costs its sender a byte or two is answered so often, and not as often as it comes. */
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import type { Stream } from '@libp2p/interface'
import { lpStream } from '@libp2p/utils'
import { multiaddr } from '@multiformats/multiaddr'
import { createIntruder } from '../support/intruder.ts'
import { until } from '../support/until.ts'
import { arrives, identity, NETWORK, start, stranger, view, type Node, type Stranger } from './nodes.ts'

/** multistream-select's frames: a byte for the length, the word, a line feed. */
const word = (text: string): Buffer => Buffer.from(`${String.fromCharCode(text.length + 1)}${text}\n`)
const HELLO = word('/multistream/1.0.0')
const PING = word('/ipfs/ping/1.0.0')
const words = (count: number): Buffer => Buffer.concat(Array.from({ length: count }, () => word('x')))
/** FIND_NODE of a key of 32 bytes. */
const QUERY = Buffer.concat([Buffer.from('08041220', 'hex'), Buffer.alloc(32, 1)])

/** A stream on which nothing has been said yet, and what is said to it. */
async function rawStream(to: Node, from: Stranger): Promise<{ stream: Stream; heard(): string }> {
  const connection = await from.libp2p.dial(to.mesh.addresses().map(multiaddr))
  const { muxer } = connection as unknown as { muxer: { createStream(): Promise<Stream> } }
  const stream = await muxer.createStream()
  let heard = ''
  stream.addEventListener('message', ({ data }) => (heard += Buffer.from(data.subarray()).toString('latin1')))
  return { stream, heard: () => heard }
}

test('who names protocols that nobody speaks is answered so often, and cut off at the next word', async (t) => {
  // Hello, two refusals and the consent are four answers.
  const a = await start(t, { limits: { negotiationAnswers: 4 } })
  const eve = await stranger(t)
  const modest = await rawStream(a, eve)
  modest.stream.send(Buffer.concat([HELLO, words(2), PING]))
  await until(() => modest.heard().endsWith(PING.toString('latin1')), 'the consent')
  modest.stream.send(Buffer.alloc(32, 7))
  await until(() => modest.heard().endsWith('\u0007'.repeat(32)), 'a ping, long after the negotiation')
  const endless = await rawStream(a, eve)
  endless.stream.send(Buffer.concat([HELLO, words(3), PING]))
  await until(() => endless.stream.status !== 'open', 'the end')
  assert.equal(endless.heard().endsWith(PING.toString('latin1')), false)
  assert.equal(modest.stream.status, 'open')
})

test('so is who never begins the handshake, and friends connect as ever', async (t) => {
  const friend = await identity()
  const a = await start(t, { friends: [{ id: friend.id, addresses: [] }], limits: { handshakeTimeoutMs: 60_000 } })
  const port = Number(multiaddr(a.mesh.addresses()[0]).getComponents()[1]!.value)
  const socket = connect(port, '127.0.0.1').on('error', () => {})
  t.after(() => socket.destroy())
  let refusals = 0
  socket.on('data', (data) => (refusals += data.toString('latin1').split('na\n').length - 1))
  socket.write(Buffer.concat([HELLO, words(10_000)]))
  await until(() => socket.closed, 'the end')
  assert.ok(refusals > 0 && refusals <= 64, `${refusals} answers`)
  await start(t, { friends: [{ id: a.id, addresses: a.mesh.addresses() }] }, friend)
  await until(() => view(a, friend.id).ready, 'the friend')
})

test('a host may ask the DHT so often, on however many streams, and loses the stream on which it asks once more', async (t) => {
  const a = await start(t, { limits: { queryBurst: 5, queriesPerSecond: 0.001 } })
  // One without a DHT of its own, which would ask as well.
  const { libp2p } = await createIntruder(t)
  const connection = await libp2p.dial(a.mesh.addresses().map(multiaddr))
  const open = async () => {
    const stream = await connection.newStream(`/banmesh/${NETWORK}/kad/1.0.0`)
    return { stream, frames: lpStream(stream) }
  }
  const signal = AbortSignal.timeout(10_000)
  let answered = 0
  let ended = 0
  for (let i = 0; i < 4; i++) {
    const { stream, frames } = await open()
    for (let n = 0; n < 3 && stream.status === 'open'; n++) {
      try {
        await frames.write(QUERY, { signal })
        await frames.read({ signal })
        answered++
      } catch {
        ended++
        break
      }
    }
  }
  assert.deepEqual([answered, ended], [5, 3])
  assert.equal(connection.status, 'open')
})

test("a friend's frames that say nothing are dealt with in many turns of the event loop", async (t) => {
  const friend = await identity()
  const a = await start(t, { friends: [{ id: friend.id, addresses: [] }] })
  const loud = await stranger(t, friend)
  const connection = await loud.libp2p.dial(a.mesh.addresses().map(multiaddr))
  await until(() => view(a, friend.id).ready, 'the friend')
  const stream = await connection.newStream('/meshsub/1.2.0')
  const EMPTY = 20_000
  const { services } = a.mesh.libp2p as unknown as {
    services: { gossip: { decodeRpc(bytes: Uint8Array): unknown } }
  }
  const decode = services.gossip.decodeRpc.bind(services.gossip)
  let [decoded, inTurn, most] = [0, 0, 0]
  services.gossip.decodeRpc = (bytes) => {
    decoded++
    if (inTurn++ === 0) setImmediate(() => (inTurn = 0))
    most = Math.max(most, inTurn)
    return decode(bytes)
  }
  stream.send(Buffer.alloc(EMPTY))
  await until(() => decoded >= EMPTY, 'all of them')
  assert.ok(most <= 200, `${most} in one turn`)
  // The stream is read again, and what comes by another one arrives.
  stream.send(Buffer.alloc(10))
  await until(() => decoded >= EMPTY + 10, 'what comes after them')
  await loud.publish('at last')
  await arrives(a, 'at last')
})

test('a stream that is resumed when its connection has ended just then ends too, and throws nothing', async (t) => {
  const a = await start(t, {})
  const { stream } = await rawStream(a, await stranger(t))
  const connection = await until(() => a.mesh.libp2p.getConnections()[0], 'the connection')
  const paused = await until(() => connection.streams.find(({ id }) => id === stream.id), 'the stream')
  paused.pause()
  stream.send(HELLO)
  await until(() => (paused as unknown as { readBufferLength: number }).readBufferLength > 0, 'something to be read')
  await connection.close()
  assert.equal(paused.readStatus, 'paused')
  paused.resume()
  assert.notEqual(paused.status, 'open')
})
