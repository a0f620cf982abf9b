/**
 * What costs its sender a byte or two and the node some microseconds, without end, as fast as it goes: meanwhile the control
 * socket answers and a friend's bans pass. Without the bounds a node answers nobody for half a minute and more.
 */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { Stream } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import type { Identity } from '../../src/control/api.ts'
import { createIntruder, type Intruder } from '../support/intruder.ts'
import { createMesh, type NodeHandle } from '../support/nodes.ts'
import { until } from '../support/until.ts'

/** Streams on each of two connections. */
const STREAMS = 8
const BANS = 5

const QUERY = Buffer.concat([Buffer.from('2408041220', 'hex'), Buffer.alloc(32, 1)])
const many = (bytes: Uint8Array): Buffer => Buffer.concat(Array.from({ length: 10_000 }, () => bytes))
const UNKNOWN = many(Buffer.from('\u0002x\n'))

type Open = (mallory: Intruder, node: NodeHandle) => Promise<Stream>

/** Nothing has been said on it yet. */
const fresh: Open = async ({ libp2p }) => {
  const { muxer } = libp2p.getConnections()[0] as unknown as { muxer: { createStream(): Promise<Stream> } }
  const stream = await muxer.createStream()
  stream.send(Buffer.from('\u0013/multistream/1.0.0\n'))
  return stream
}

async function flood(t: TestContext, as: 'friend' | 'stranger', open: Open, bytes: Uint8Array): Promise<void> {
  const crowd = [await createIntruder(t), await createIntruder(t)]
  await using mesh = createMesh({
    friends: { alice: ['bob'], bob: ['alice'] },
    more: as === 'friend' ? crowd.map(({ peer }, i) => ({ id: peer.id, name: `mallory${i}` })) : [],
    config: () => ({ discovery: { dht: true } })
  })
  await mesh.start()
  const [alice, bob] = [mesh.node('alice'), mesh.node('bob')]
  await until(async () => (await alice.status()).friends.connected === 1, 'the friends')
  const { addresses } = await alice.get<Identity>('/v1/id')
  let stop = false
  let sent = 0
  const floods = crowd.flatMap((mallory) =>
    Array.from({ length: STREAMS }, async () => {
      while (!stop) {
        try {
          if (mallory.libp2p.getConnections().length === 0)
            await mallory.libp2p.dial(addresses.map((a) => multiaddr(a)))
          const stream = await open(mallory, alice)
          stream.addEventListener('message', () => undefined)
          while (!stop && stream.status === 'open') {
            sent += bytes.length
            if (stream.send(bytes)) await delay(0)
            else await drained(stream)
          }
        } catch {
          // Cut off.
          await delay(20)
        }
      }
    })
  )
  try {
    await delay(1000)
    for (let i = 0; i < BANS; i++) {
      const subject = `198.51.100.${i}`
      const from = performance.now()
      await bob.ban(subject)
      await until(async () => (await alice.why(subject)).accepted, "bob's ban to pass")
      t.diagnostic(`passed in ${(performance.now() - from).toFixed(0)} ms; ${(sent / 1e6).toFixed(1)} MB were sent`)
    }
  } finally {
    stop = true
  }
  await Promise.all(floods)
  assert.ok(sent > bytes.length)
}

function drained(stream: Stream): Promise<unknown> {
  const event = (name: 'drain' | 'close') =>
    new Promise((resolve) => stream.addEventListener(name, resolve, { once: true }))
  return Promise.race([event('drain'), event('close'), delay(1000)])
}

test('a stranger who asks the DHT without end does not make a node deaf', (t) =>
  flood(t, 'stranger', (mallory, alice) => mallory.open(alice, '/banmesh/test/kad/1.0.0'), many(QUERY)))

test('a stranger who names protocols that nobody speaks without end does not make a node deaf', (t) =>
  flood(t, 'stranger', fresh, UNKNOWN))

test('a friend who sends gossip that says nothing without end does not make a node deaf', (t) =>
  flood(t, 'friend', (mallory, alice) => mallory.open(alice, '/meshsub/1.2.0'), many(Uint8Array.of(0))))
