/**
 * The libp2p node: TCP, noise and yamux; identify, ping and a DHT of our own for everybody; gossip and sync for friends.
 * Nothing here knows the public IPFS DHT: there is no default bootstrap list, `dnsaddr` is never resolved, and the DHT
 * speaks a protocol that carries the network's name.
 */
import { noise } from '@chainsafe/libp2p-noise'
import type { GossipSub, GossipSubComponents } from '@chainsafe/libp2p-gossipsub'
import { identify } from '@libp2p/identify'
import type { Libp2p, PeerId as Libp2pPeerId, PrivateKey, Stream, StreamHandler } from '@libp2p/interface'
import { kadDHT, passthroughMapper, type KadDHT, type KadDHTComponents } from '@libp2p/kad-dht'
import { peerIdFromString } from '@libp2p/peer-id'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { BlackHoleDatastore } from 'datastore-core/black-hole'
import type { Datastore } from 'interface-datastore'
import { createLibp2p } from 'libp2p'
import type { PeerId } from '../core/report.ts'
import { friendsOnly, type FriendsOnly, type Registrar } from './friends-only.ts'
import { createGate } from './gate.ts'
import type { MeshLimits } from './limits.ts'
import { safeYamux } from './muxer.ts'

export interface NodeOptions {
  readonly privateKey: PrivateKey
  readonly network: string
  /** Multiaddrs. */
  readonly listen: readonly string[]
  /** Multiaddrs told to others besides those we listen on. */
  readonly announce: readonly string[]
  readonly dht: boolean
  /** libp2p's peer store: what is known of peers survives a restart. */
  readonly datastore: Datastore
  readonly version: string
  readonly limits: MeshLimits
  readonly now: () => number
  readonly isFriend: (peer: PeerId) => boolean
  isFriendHost(host: string): boolean
  readonly gossip: (components: GossipSubComponents, friends: Registrar) => GossipSub
}

export interface MeshNode {
  readonly libp2p: Libp2p
  readonly dht: KadDHT | null
  /** The protocol whose support shows that a peer is of our DHT. */
  readonly dhtProtocol: string
  /** Streams of this protocol are handed over if a friend opened them; others' are reset. Before `start`, if possible. */
  readonly handle: (protocol: string, handler: StreamHandler, options?: { maxInboundStreams?: number }) => Promise<void>
  /** Opens a stream on a connection that is up. Throws what libp2p throws. */
  readonly openStream: (friend: PeerId, protocol: string, options?: { signal?: AbortSignal }) => Promise<Stream>
  /** Closes all connections with a peer at once and tells gossip and sync that it is gone. */
  cutOff(peer: Libp2pPeerId): void
}

export async function createMeshNode(options: NodeOptions): Promise<MeshNode> {
  const { limits } = options
  const dhtProtocol = `/banmesh/${options.network}/kad/1.0.0`
  let friends: FriendsOnly

  const libp2p: Libp2p = await createLibp2p({
    start: false,
    privateKey: options.privateKey,
    datastore: options.datastore,
    nodeInfo: { name: 'banmesh', version: options.version, userAgent: `banmesh/${options.version}` },
    addresses: { listen: [...options.listen], appendAnnounce: [...options.announce] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [safeYamux({ maxInboundStreams: limits.streamsPerConnection })],
    connectionGater: createGate({ ...options, connections: (peer) => libp2p.getConnections(peer).length }),
    connectionManager: {
      // The gate has limits of its own, which do not hit friends.
      maxConnections: Infinity,
      inboundConnectionThreshold: Infinity,
      maxIncomingPendingConnections: Infinity,
      inboundUpgradeTimeout: limits.handshakeTimeoutMs,
      addressDialTimeout: limits.addressDialTimeoutMs,
      dialTimeout: limits.dialTimeoutMs,
      inboundStreamProtocolNegotiationTimeout: limits.streamTimeoutMs,
      outboundStreamProtocolNegotiationTimeout: limits.streamTimeoutMs,
      reconnectRetries: 0,
      resolvers: {}
    },
    connectionMonitor: {
      pingInterval: limits.pingIntervalMs,
      pingTimeout: { minTimeout: limits.pingTimeoutMs, maxTimeout: 2 * limits.pingTimeoutMs }
    },
    services: {
      identify: identify({ runOnLimitedConnection: false }),
      // The connection monitor and the DHT ping too. By default a second ping at the same time is an error, for which the
      // monitor gives the whole connection up.
      ping: ping({ maxInboundStreams: 8, maxOutboundStreams: 8 }),
      ...(options.dht && { dht: dhtService(dhtProtocol, limits) }),
      gossip: (components: GossipSubComponents) => {
        friends = friendsOnly(components.registrar, options.isFriend)
        return options.gossip(components, friends.registrar)
      }
    }
  })
  const services = libp2p.services as { dht?: KadDHT }

  return {
    libp2p,
    dht: services.dht ?? null,
    dhtProtocol,
    handle: (protocol, handler, opts) => friends.registrar.handle(protocol, handler, opts),
    async openStream(friend, protocol, opts) {
      const connection = libp2p.getConnections(peerIdFromString(friend)).findLast(({ status }) => status === 'open')
      if (connection === undefined || !options.isFriend(friend)) throw new Error('no connection with this friend')
      return connection.newStream(protocol, { signal: opts?.signal ?? AbortSignal.timeout(limits.streamTimeoutMs) })
    },
    cutOff(peer) {
      friends.forget(peer)
      for (const connection of libp2p.getConnections(peer)) connection.abort(new Error('cut off'))
    }
  }
}

/**
 * A DHT for looking peers up, and for nothing else: it would also keep records and provider entries for anybody who
 * sends some, without bound, so it is given a datastore that forgets.
 */
function dhtService(protocol: string, limits: MeshLimits) {
  return (components: KadDHTComponents): KadDHT =>
    kadDHT({
      protocol,
      // Private and loopback addresses are as good as public ones: friends may share a LAN, labs share a host.
      peerInfoMapper: passthroughMapper,
      clientMode: false,
      initialQuerySelfInterval: 100,
      maxInboundStreams: limits.dhtStreamsPerConnection
    })({
      peerId: components.peerId,
      privateKey: components.privateKey,
      registrar: components.registrar,
      addressManager: components.addressManager,
      peerStore: components.peerStore,
      connectionManager: components.connectionManager,
      events: components.events,
      logger: components.logger,
      ping: components.ping,
      datastore: new BlackHoleDatastore(),
      ...(components.metrics !== undefined && { metrics: components.metrics })
    })
}
