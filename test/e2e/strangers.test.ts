/**
 * Floods of strangers, and of a friend gone bad, on a node with the DHT turned on, so that strangers may connect. What is
 * asserted: a friend's bans still pass, and the memory stays bounded. What it costs is printed.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { noise } from '@chainsafe/libp2p-noise'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import type { Connection, Libp2p, PrivateKey, Stream } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import type { Identity } from '../../src/control/api.ts'
import { createMesh, type MeshHandle, type NodeHandle } from '../support/nodes.ts'
import { until } from '../support/until.ts'

/** Each flood goes on for so long. */
const FLOOD_MS = 5000
const MIB = 1024 * 1024
/** What a flood may add to the memory of the node, with what V8 has not collected yet. */
const GROWTH_MIB = 250
const CONNECTIONS = 1000
const NODES = 50

interface Stand {
  readonly mesh: MeshHandle
  readonly alice: NodeHandle
  readonly bob: NodeHandle
  readonly to: Multiaddr
}

let subjects = 0

async function stand(loud?: PrivateKey): Promise<Stand> {
  const more = loud === undefined ? [] : [{ id: peerIdFromPrivateKey(loud).toString(), name: 'loud' }]
  const mesh = createMesh({
    friends: { alice: ['bob'], bob: ['alice'] },
    config: () => ({ discovery: { dht: true } }),
    more
  })
  await mesh.start()
  const [alice, bob] = mesh.nodes as [NodeHandle, NodeHandle]
  await until(async () => (await alice.status()).friends.connected === 1, 'the friends')
  const { addresses } = await alice.get<Identity>('/v1/id')
  return { mesh, alice, bob, to: multiaddr(addresses[0]) }
}

/** Bans at bob while `flood` goes on, and waits for each at alice. */
async function measure(t: TestContext, { alice, bob }: Stand, flood: () => Promise<string>): Promise<void> {
  const rss = (): number => memory(alice.pid())
  const before = rss()
  let peak = before
  let ended = false
  const result = flood().finally(() => (ended = true))
  const delays: number[] = []
  while (!ended || delays.length < 5) {
    const subject = `198.51.100.${(subjects++ % 250) + 1}`
    const start = performance.now()
    await bob.ban(subject)
    await until(async () => (await alice.why(subject)).evidence.length > 0, `the ban of ${subject}`, 20_000)
    delays.push(performance.now() - start)
    peak = Math.max(peak, rss())
    await delay(50)
  }
  delays.sort((a, b) => a - b)
  const [half, worst] = [delays[Math.floor(delays.length / 2)]!, delays.at(-1)!]
  t.diagnostic(
    `${await result}; ${delays.length} bans of a friend passed, median ${half.toFixed(0)} ms, worst ${worst.toFixed(0)} ms; ` +
      `memory ${(before / MIB).toFixed(0)} MiB before, ${(peak / MIB).toFixed(0)} MiB at most`
  )
  assert.ok(peak - before < GROWTH_MIB * MIB, `the memory grew by ${((peak - before) / MIB).toFixed(0)} MiB`)
  assert.equal((await alice.status()).friends.connected >= 1, true)
}

function memory(pid: number): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(join('/proc', String(pid), 'status'), 'utf8'))![1]) * 1024
}

async function stranger(t: TestContext, privateKey?: PrivateKey): Promise<Libp2p> {
  const libp2p = await createLibp2p({
    ...(privateKey !== undefined && { privateKey }),
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionManager: { reconnectRetries: 0 },
    services: { identify: identify(), ping: ping() }
  })
  t.after(() => libp2p.stop())
  return libp2p
}

test('a thousand connections of strangers', async (t) => {
  const here = await stand()
  await using _mesh = here.mesh
  const nodes = await Promise.all(Array.from({ length: NODES }, () => stranger(t)))
  await measure(t, here, async () => {
    let opened = 0
    for (let i = 0; i < CONNECTIONS / NODES; i++) {
      const dials = nodes.map((node) => node.dial(here.to, { force: true, signal: AbortSignal.timeout(3000) }))
      opened += (await Promise.allSettled(dials)).filter(({ status }) => status === 'fulfilled').length
    }
    return `${CONNECTIONS} connections tried, ${opened} let in`
  })
})

test('handshakes that are begun and not finished', async (t) => {
  const here = await stand()
  await using _mesh = here.mesh
  const [, host, port] = /^\/ip4\/([^/]+)\/tcp\/(\d+)/.exec(here.to.toString())!
  const sockets = new Set<Socket>()
  t.after(() => {
    for (const socket of sockets) socket.destroy()
  })
  await measure(t, here, async () => {
    let tried = 0
    for (const end = Date.now() + FLOOD_MS; Date.now() < end; await delay(10)) {
      for (let i = 0; i < 10; i++) {
        tried++
        const socket = connect({ host: host!, port: Number(port) }).on('error', () => {})
        sockets.add(socket.once('close', () => sockets.delete(socket)))
        // As much of multistream-select as is needed to be waited for.
        socket.write(Buffer.from('13/multistream/1.0.0\n', 'latin1'))
      }
    }
    return `${tried} half-open handshakes, ${sockets.size} open at the end`
  })
})

test('streams, as many as a stranger can open', async (t) => {
  const here = await stand()
  await using _mesh = here.mesh
  const nodes = await Promise.all(Array.from({ length: 4 }, () => stranger(t)))
  const protocols = ['/banmesh/test/kad/1.0.0', '/ipfs/id/1.0.0', '/ipfs/ping/1.0.0', '/meshsub/1.2.0', '/none/1']
  await measure(t, here, async () => {
    let [opened, refused] = [0, 0]
    const end = Date.now() + FLOOD_MS
    await Promise.all(
      nodes.map(async (node) => {
        let connection: Connection | undefined
        for (let i = 0; Date.now() < end; i++) {
          try {
            if (connection?.status !== 'open') connection = await node.dial(here.to, { force: true })
            const batch = Array.from({ length: 20 }, () =>
              connection!.newStream(protocols[i % protocols.length]!, {
                signal: AbortSignal.timeout(1000),
                maxOutboundStreams: Infinity
              })
            )
            const good = (await Promise.allSettled(batch)).filter(({ status }) => status === 'fulfilled').length
            opened += good
            refused += batch.length - good
            // What our own side refuses is refused at once: this process has to measure too.
            if (good === 0) {
              connection.abort(new Error('anew'))
              await delay(20)
            }
          } catch {
            refused++
            await delay(50)
          }
        }
      })
    )
    return `${opened} streams opened, ${refused} refused`
  })
})

for (const who of ['a stranger', 'a friend gone bad'] as const) {
  test(`subscriptions by the million from ${who} (the pattern of CVE-2026-46679)`, async (t) => {
    const key = await generateKeyPair('Ed25519')
    const here = await stand(who === 'a stranger' ? undefined : key)
    await using _mesh = here.mesh
    const node = await stranger(t, key)
    const small = frame(16)
    const large = frame(50_000)
    await measure(t, here, async () => {
      let sent = 0
      for (const end = Date.now() + FLOOD_MS; Date.now() < end;) {
        try {
          const [open] = node.getConnections()
          const connection = open ?? (await node.dial(here.to, { signal: AbortSignal.timeout(2000) }))
          const stream: Stream = await connection.newStream('/meshsub/1.2.0', { signal: AbortSignal.timeout(2000) })
          for (let i = 0; stream.status === 'open' && Date.now() < end; i++) {
            const [bytes, count] = i % 20 === 19 ? ([large, 50_000] as const) : ([small, 16] as const)
            sent += count
            if (!stream.send(bytes)) await drained(stream)
          }
        } catch {
          await delay(20)
        }
      }
      return `${sent} subscriptions sent`
    })
  })
}

async function drained(stream: Stream): Promise<void> {
  await Promise.race([
    new Promise((resolve) => stream.addEventListener('drain', resolve, { once: true })),
    new Promise((resolve) => stream.addEventListener('close', resolve, { once: true })),
    delay(1000)
  ])
}

/** A gossipsub frame that subscribes to so many topics, with its length before it. */
function frame(count: number): Uint8Array {
  const parts = Array.from({ length: count }, (_, i) => {
    const topic = Buffer.from(`/banmesh/test/reports/1/${i}-${Math.random().toString(36).slice(2)}`)
    return Buffer.concat([Buffer.from([0x0a, topic.length + 4, 0x08, 1, 0x12, topic.length]), topic])
  })
  const body = Buffer.concat(parts)
  return Buffer.concat([varint(body.length), body])
}

function varint(value: number): Buffer {
  const bytes = []
  for (; value > 127; value = Math.floor(value / 128)) bytes.push((value % 128) | 128)
  return Buffer.from([...bytes, value])
}
