/**
 * Somebody of our own making on the network, to be a friend gone bad or a stranger: speaks libp2p, gossip and sync as we do,
 * and says whatever a test likes. The node under test is another process.
 */
import type { TestContext } from 'node:test'
import { gossipsub, StrictNoSign, type GossipSub } from '@chainsafe/libp2p-gossipsub'
import { noise } from '@chainsafe/libp2p-noise'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import type { Libp2p, Stream } from '@libp2p/interface'
import { peerIdFromPrivateKey, peerIdFromString } from '@libp2p/peer-id'
import { tcp } from '@libp2p/tcp'
import { lpStream } from '@libp2p/utils'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { privateKeyFromRaw } from '../../src/wire/signature.ts'
import type { Identity } from '../../src/control/api.ts'
import type { NodeHandle } from './nodes.ts'
import type { PeerId } from '../../src/core/report.ts'
import type { Peer } from './peers.ts'
import { until } from './until.ts'

const TOPIC = '/banmesh/test/reports/1'

export interface Intruder {
  /** For `seal`. */
  readonly peer: Peer
  readonly libp2p: Libp2p<{ gossip: GossipSub }>
  /** Connects, and waits until what it publishes reaches the node. A stranger waits for the connection only. */
  connect(node: NodeHandle, as?: 'friend' | 'stranger'): Promise<void>
  publish(message: Uint8Array): Promise<void>
  /** A raw stream of any protocol. */
  open(node: NodeHandle, protocol: string): Promise<Stream>
}

/** Stops with the test. */
export async function createIntruder(t: TestContext): Promise<Intruder> {
  const privateKey = await generateKeyPair('Ed25519')
  const libp2p = await createLibp2p({
    privateKey,
    addresses: { listen: [] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionManager: { reconnectRetries: 0 },
    services: {
      identify: identify(),
      gossip: gossipsub({
        globalSignaturePolicy: StrictNoSign,
        allowPublishToZeroTopicPeers: true,
        ignoreDuplicatePublishError: true,
        floodPublish: true,
        maxOutboundBufferSize: 256 * 1024 * 1024
      })
    }
  })
  t.after(() => libp2p.stop())
  const { gossip } = libp2p.services
  gossip.subscribe(TOPIC)
  const isSubscribed = (node: NodeHandle): boolean =>
    gossip.getSubscribers(TOPIC).some((peer) => peer.toString() === node.id)
  return {
    peer: { id: peerIdFromPrivateKey(privateKey).toString() as PeerId, key: privateKeyFromRaw(privateKey.raw)! },
    libp2p,
    async connect(node, as = 'friend') {
      const { addresses } = await node.get<Identity>('/v1/id')
      await libp2p.dial(addresses.map((address) => multiaddr(address)))
      if (as === 'friend') await until(() => isSubscribed(node), `${node.name} to be subscribed`, 20_000)
    },
    async publish(message) {
      await gossip.publish(TOPIC, message)
    },
    async open(node, protocol) {
      const [connection] = libp2p.getConnections(peerIdFromString(node.id))
      if (connection === undefined) throw new Error('not connected')
      return connection.newStream(protocol, { signal: AbortSignal.timeout(5000) })
    }
  }
}

/** Frames with their length before them, as sync and gossipsub have them. */
export function framed(stream: Stream): { write(bytes: Uint8Array): Promise<void> } {
  const frames = lpStream(stream)
  return { write: (bytes) => frames.write(bytes, { signal: AbortSignal.timeout(5000) }) }
}
