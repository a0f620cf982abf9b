/** Real nodes on loopback for the mesh tests: ours, and strangers built of plain libp2p and gossipsub. */
import type { TestContext } from 'node:test'
import { gossipsub, StrictNoSign, type GossipSub } from '@chainsafe/libp2p-gossipsub'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@libp2p/yamux'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import type { Libp2p, PrivateKey } from '@libp2p/interface'
import { kadDHT, passthroughMapper, type KadDHT } from '@libp2p/kad-dht'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { ping, type Ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { createLibp2p } from 'libp2p'
import type { PeerId } from '../../src/core/report.ts'
import { createMesh, type FriendState, type Mesh, type MeshOptions } from '../../src/mesh/mesh.ts'
import { until } from '../support/until.ts'

export const NETWORK = 'test'
export const LOOPBACK = '/ip4/127.0.0.1/tcp/0'

export interface Received {
  readonly text: string
  readonly from: PeerId
}

export interface Node {
  readonly mesh: Mesh
  readonly id: PeerId
  readonly key: PrivateKey
  readonly received: Received[]
  /** What `onFriend` was told, oldest first. */
  readonly told: { readonly friend: PeerId; readonly ready: boolean }[]
}

export interface Identity {
  readonly key: PrivateKey
  readonly id: PeerId
}

export async function identity(): Promise<Identity> {
  const key = await generateKeyPair('Ed25519')
  return { key, id: peerIdFromPrivateKey(key).toString() as PeerId }
}

export async function build(options: Partial<MeshOptions> = {}, who?: Identity): Promise<Node> {
  const { key, id } = who ?? (await identity())
  const received: Received[] = []
  const told: { friend: PeerId; ready: boolean }[] = []
  const mesh = await createMesh({
    privateKey: key,
    network: NETWORK,
    listen: [LOOPBACK],
    dht: true,
    friends: [],
    version: '0.0.0',
    now: Date.now,
    delayMs: quick,
    async onMessage(message, from) {
      received.push({ text: Buffer.from(message).toString(), from })
      return 'ignore'
    },
    onFriend: (friend, isReady) => told.push({ friend, ready: isReady }),
    ...options
  })
  return { mesh, id, key, received, told }
}

export async function start(t: TestContext, options: Partial<MeshOptions> = {}, who?: Identity): Promise<Node> {
  const node = await build(options, who)
  t.after(() => node.mesh.stop())
  await node.mesh.start()
  return node
}

/** Two friends who are ready for each other; the second one knows the first one's address. */
export async function pair(
  t: TestContext,
  first: Partial<MeshOptions> = {},
  second: Partial<MeshOptions> = {}
): Promise<[Node, Node]> {
  const [one, two] = [await identity(), await identity()]
  const a = await start(t, { friends: [{ id: two.id, addresses: [] }], ...first }, one)
  const b = await start(t, { friends: [{ id: one.id, addresses: a.mesh.addresses() }], ...second }, two)
  await ready(a, b)
  return [a, b]
}

/** Back-off for tests: 50 ms to 1 s, with jitter. */
export function quick(attempt: number): number {
  return Math.min(1000, 50 * 2 ** attempt) * (0.5 + Math.random() / 2)
}

export interface Stranger {
  readonly libp2p: Libp2p<{ ping: Ping; gossip: GossipSub; dht: KadDHT }>
  readonly id: PeerId
  readonly received: string[]
  publish(text: string): Promise<number>
}

/** Speaks everything that we speak, and knows the network's name; nobody's friend. */
export async function stranger(t: TestContext, who?: Identity): Promise<Stranger> {
  const libp2p = await createLibp2p({
    ...(who !== undefined && { privateKey: who.key }),
    addresses: { listen: [LOOPBACK] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionManager: { inboundConnectionThreshold: Infinity },
    services: {
      identify: identify(),
      ping: ping(),
      dht: kadDHT({
        protocol: `/banmesh/${NETWORK}/kad/1.0.0`,
        peerInfoMapper: passthroughMapper,
        clientMode: false,
        initialQuerySelfInterval: 100
      }),
      gossip: gossipsub({
        globalSignaturePolicy: StrictNoSign,
        allowPublishToZeroTopicPeers: true,
        ignoreDuplicatePublishError: true
      })
    }
  })
  t.after(() => libp2p.stop())
  const topic = `/banmesh/${NETWORK}/reports/1`
  const received: string[] = []
  libp2p.services.gossip.addEventListener('message', ({ detail }) => received.push(Buffer.from(detail.data).toString()))
  libp2p.services.gossip.subscribe(topic)
  return {
    libp2p,
    id: libp2p.peerId.toString() as PeerId,
    received,
    publish: async (text) => (await libp2p.services.gossip.publish(topic, Buffer.from(text))).recipients.length
  }
}

export function view(node: Node, friend: PeerId): FriendState {
  const state = node.mesh.friends().find(({ id }) => id === friend)
  if (state === undefined) throw new Error('not a friend')
  return state
}

/** Both sides report ready: what either publishes reaches the other. */
export async function ready(a: Node, b: Node, timeoutMs?: number): Promise<void> {
  await until(() => view(a, b.id).ready && view(b, a.id).ready, 'two friends to be ready for each other', timeoutMs)
}

export async function arrives(node: Node, text: string, timeoutMs?: number): Promise<Received> {
  return until(() => node.received.find((one) => one.text === text), `${text} to arrive`, timeoutMs)
}

export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}
