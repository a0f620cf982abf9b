/**
 * A child process with bare libp2p nodes: TCP, noise, yamux and gossipsub with the options of mesh/gossip.ts, and nothing
 * of ours. Each has one neighbour. What they measure is the yardstick; and as friends of a real node they cost little.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { createHash, createPublicKey, generateKeyPairSync, randomBytes, sign, verify } from 'node:crypto'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { setImmediate as turn } from 'node:timers/promises'
import { gossipsub, TopicValidatorResult, type GossipSub } from '@chainsafe/libp2p-gossipsub'
import { noise } from '@chainsafe/libp2p-noise'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import type { Ed25519PrivateKey, Libp2p, Stream } from '@libp2p/interface'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import type { PeerId } from '../../src/core/report.ts'
import { privateKeyFromRaw } from '../../src/wire/signature.ts'
import { ROUTING } from '../../src/mesh/gossip.ts'
import { MESH_LIMITS } from '../../src/mesh/limits.ts'
import { claimOf, seal, type Peer } from '../support/peers.ts'
import { until } from '../support/until.ts'
import { monotonicMs } from './figures.ts'
import { serve } from './processes.ts'

const TOPIC = '/banmesh/test/reports/1'
const SIGNATURE_BYTES = 64
const STAMP_BYTES = 8
/** Bytes that wait to be sent, above which the sender waits too. */
const WINDOW_BYTES = 256 * 1024
/** Messages that are published in one turn of the event loop. */
const TURN_MESSAGES = 32
const HOUR_SECONDS = 3600
/** At the same time. */
const DIALS = 16
const READY_MS = 60_000

export interface RawPeer {
  readonly id: string
  readonly address: string | null
}

/** By this process, when it had so many messages: ms of the machine's monotonic clock, and what the last one took. */
export interface Reached {
  readonly at: number
  readonly tookMs: number
}

export interface RawOptions {
  readonly count: number
  readonly listen: boolean
  /** Messages begin with a signature, which is made or checked. */
  readonly checked?: boolean
  /** A new SQLite file, into which each message is committed before it is sent, or when it has come. */
  readonly ledger?: string
}

interface RawNode {
  readonly peer: Peer
  readonly libp2p: Libp2p<{ gossip: GossipSub }>
}

const nodes: RawNode[] = []
const publishing = new AsyncLocalStorage<true>()
const signer = generateKeyPairSync('ed25519')
const publicKey = createPublicKey(signer.privateKey)
let wantedSigner = publicKey
let messages = 0
let tookMs = 0
let waiting: { readonly count: number; readonly resolve: (reached: Reached) => void } | null = null
let prepared: Uint8Array[] = []
let insert: StatementSync | null = null
let isSigning = false

serve({
  async create({ count, listen, checked = false, ledger }: RawOptions): Promise<RawPeer[]> {
    isSigning = checked
    if (ledger !== undefined) insert = openLedger(ledger)
    for (let i = 0; i < count; i++) nodes.push(await createNode(listen, checked))
    return nodes.map(({ peer, libp2p }) => ({ id: peer.id, address: libp2p.getMultiaddrs()[0]?.toString() ?? null }))
  },
  /** Resolves when every node knows that the other side is subscribed. */
  async dial(address: string): Promise<null> {
    for (let i = 0; i < nodes.length; i += DIALS) {
      await Promise.all(
        nodes.slice(i, i + DIALS).map(async ({ libp2p }) => {
          await until(() => libp2p.dial(multiaddr(address)).catch(() => null), 'a connection', READY_MS)
          await until(() => libp2p.services.gossip.getSubscribers(TOPIC).length > 0, 'the subscription', READY_MS)
        })
      )
    }
    return null
  },
  key: () => publicKey.export({ format: 'der', type: 'spki' }).toString('base64'),
  signedBy(key: string): null {
    wantedSigner = createPublicKey({ key: Buffer.from(key, 'base64'), format: 'der', type: 'spki' })
    return null
  },
  async publishStamped(bytes: number): Promise<null> {
    const message = randomBytes(bytes)
    message.writeDoubleLE(monotonicMs(), bytes - STAMP_BYTES)
    if (isSigning) sign(null, message.subarray(SIGNATURE_BYTES), signer.privateKey).copy(message)
    insert?.run(message)
    await publish(message)
    return null
  },
  reached(count: number): Promise<Reached> {
    const { promise, resolve } = Promise.withResolvers<Reached>()
    waiting = { count, resolve }
    arrived()
    return promise
  },
  messages: () => messages,
  /** Single-claim reports of the first node, about the addresses from number `from` on. */
  prepareReports({ count, from }: { count: number; from: number }): number {
    const { peer } = nodes[0]!
    const ends = Math.floor(Date.now() / 1000) + HOUR_SECONDS
    const issuedAt = Date.now() - HOUR_SECONDS * 1000 + from
    prepared = Array.from({ length: count }, (_, i) => {
      const n = from + i
      const subject = `10.${(n >> 16) & 255}.${(n >> 8) & 255}.${n & 255}`
      return seal(peer, { issuedAt: issuedAt + i, claims: [claimOf(subject, { until: ends })] })
    })
    return prepared[0]!.length
  },
  prepareSigned({ count, bytes }: { count: number; bytes: number }): null {
    prepared = Array.from({ length: count }, () => {
      const body = randomBytes(bytes - SIGNATURE_BYTES)
      return Buffer.concat([sign(null, body, signer.privateKey), body])
    })
    return null
  },
  /** All that is prepared, as fast as the connection takes it. */
  async send(): Promise<null> {
    const { gossip } = nodes[0]!.libp2p.services
    const streams = gossip as unknown as { streamsOutbound: Map<string, { rawStream: Stream }> }
    const [{ rawStream }] = [...streams.streamsOutbound.values()] as [{ rawStream: Stream }]
    for (const [i, message] of prepared.entries()) {
      await publish(message)
      if (i % TURN_MESSAGES === 0) await turn()
      while (rawStream.writeBufferLength > WINDOW_BYTES) await turn()
    }
    return null
  }
})

async function createNode(listen: boolean, checked: boolean): Promise<RawNode> {
  const privateKey: Ed25519PrivateKey = await generateKeyPair('Ed25519')
  const libp2p = await createLibp2p({
    privateKey,
    addresses: { listen: listen ? ['/ip4/127.0.0.1/tcp/0'] : [] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionManager: { inboundConnectionThreshold: Infinity, reconnectRetries: 0 },
    // By default a busy machine's late answer to a ping ends the connection, and loses what is on its way.
    connectionMonitor: {
      pingInterval: MESH_LIMITS.pingIntervalMs,
      pingTimeout: { minTimeout: MESH_LIMITS.pingTimeoutMs, maxTimeout: 2 * MESH_LIMITS.pingTimeoutMs }
    },
    services: {
      identify: identify(),
      ping: ping(),
      gossip: gossipsub({
        ...ROUTING,
        msgIdFn: ({ data }) => createHash('sha256').update(senderOf()).update(data).digest(),
        allowedTopics: [TOPIC],
        seenTTL: MESH_LIMITS.gossipSeenMs
      })
    }
  })
  const self = libp2p.peerId.toString()
  let neighbour: string | undefined
  /** As in mesh/gossip.ts: else both sides of a hop would not agree on the id, and all be sent twice. */
  function senderOf(): string {
    neighbour ??= libp2p.getPeers()[0]?.toString()
    return publishing.getStore() === true ? self : (neighbour ?? '')
  }
  const { gossip } = libp2p.services
  gossip.topicValidators.set(TOPIC, (_, { data }) => {
    if (checked && !verify(null, data.subarray(SIGNATURE_BYTES), wantedSigner, data.subarray(0, SIGNATURE_BYTES)))
      return TopicValidatorResult.Reject
    insert?.run(data)
    messages++
    tookMs =
      monotonicMs() - Buffer.from(data.buffer, data.byteOffset, data.byteLength).readDoubleLE(data.length - STAMP_BYTES)
    arrived()
    return TopicValidatorResult.Ignore
  })
  gossip.subscribe(TOPIC)
  const peer = { id: libp2p.peerId.toString() as PeerId, key: privateKeyFromRaw(privateKey.raw)! }
  return { peer, libp2p }
}

/** As store/database.ts opens one; each statement is a transaction of its own. */
function openLedger(path: string): StatementSync {
  const db = new DatabaseSync(path)
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; CREATE TABLE messages (bytes BLOB NOT NULL)')
  return db.prepare('INSERT INTO messages VALUES (?)')
}

/** By the first node. */
async function publish(message: Uint8Array): Promise<void> {
  await publishing.run(true, () => nodes[0]!.libp2p.services.gossip.publish(TOPIC, message))
}

function arrived(): void {
  if (waiting === null || messages < waiting.count) return
  waiting.resolve({ at: monotonicMs(), tookMs })
  waiting = null
}
