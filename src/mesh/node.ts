/**
 * The libp2p node: TCP, noise and yamux; identify, ping and a DHT of our own for everybody; gossip and sync for friends.
 * Nothing here knows the public IPFS DHT: there is no default bootstrap list, `dnsaddr` is never resolved, and the DHT
 * speaks a protocol that carries the network's name.
 */
import { createHash } from 'node:crypto'
import { noise } from '@chainsafe/libp2p-noise'
import type { GossipSub, GossipSubComponents } from '@chainsafe/libp2p-gossipsub'
import { autoNAT, type AutoNATComponents } from '@libp2p/autonat'
import {
  circuitRelayServer,
  circuitRelayTransport,
  type CircuitRelayTransportComponents
} from '@libp2p/circuit-relay-v2'
import { dcutr, type DCUtRServiceComponents } from '@libp2p/dcutr'
import { identify, type Identify } from '@libp2p/identify'
import type {
  ComponentLogger,
  Connection,
  Libp2p,
  Metrics,
  PeerId as Libp2pPeerId,
  PrivateKey,
  Stream,
  StreamHandler,
  Transport
} from '@libp2p/interface'
import type { KadDHT } from '@libp2p/kad-dht'
import { mdns, type MulticastDNSComponents } from '@libp2p/mdns'
import { peerIdFromString } from '@libp2p/peer-id'
import { ping } from '@libp2p/ping'
import { preSharedKey } from '@libp2p/pnet'
import { uPnPNAT } from '@libp2p/upnp-nat'
import { isPrivate } from '@libp2p/utils'
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr'
import type { Datastore } from 'interface-datastore'
import { createLibp2p } from 'libp2p'
import type { PeerId } from '../core/report.ts'
import { createArrivals, guardedTcp } from './arrivals.ts'
import { isRelayed, openConnections } from './connections.ts'
import { dhtService } from './dht.ts'
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
  readonly relay: boolean
  readonly upnp: boolean
  readonly mdns: boolean
  /** As in a file that `@libp2p/pnet` wrote. */
  readonly networkKey?: Uint8Array
  /** libp2p's peer store: what is known of peers survives a restart. */
  readonly datastore: Datastore
  readonly version: string
  /** Counts what libp2p does. */
  readonly metrics?: (components: { logger: ComponentLogger }) => Metrics
  readonly limits: MeshLimits
  readonly now: () => number
  readonly isFriend: (peer: PeerId) => boolean
  isFriendHost(host: string): boolean
  /** Somebody who is no friend wants what friends get. */
  knocked(peer: PeerId, address: Multiaddr): void
  /** Somebody is said to be in the local network. */
  found(peer: PeerId, addresses: readonly Multiaddr[]): void
  readonly gossip: (components: GossipSubComponents, friends: Registrar) => GossipSub
}

export interface MeshNode {
  readonly libp2p: Libp2p
  readonly dht: KadDHT | null
  /** The protocol whose support shows that a peer is of our DHT. */
  readonly dhtProtocol: string
  /** Streams of this protocol are handed over if a friend opened them; others' are reset. Before `start`, if possible. */
  readonly handle: (protocol: string, handler: StreamHandler, options?: { maxInboundStreams?: number }) => Promise<void>
  readonly handleAnybody: (
    protocol: string,
    handler: StreamHandler,
    options?: { maxInboundStreams?: number }
  ) => Promise<void>
  /** Opens a stream on a connection that is up. Throws what libp2p throws. */
  readonly openStream: (friend: PeerId, protocol: string, options?: { signal?: AbortSignal }) => Promise<Stream>
  /** Closes all connections with a peer at once and tells gossip and sync that it is gone. */
  cutOff(peer: Libp2pPeerId): void
  /** Asks a peer anew who it is and where; the answer is a `peer:identify` event. */
  readonly identify: (connection: Connection) => Promise<unknown>
  /** See relays.ts. */
  readonly reserved: (relay: PeerId) => boolean
  readonly reserve: (relay: PeerId) => Promise<void>
  setDhtMode(mode: 'server' | 'client'): Promise<void>
}

/** What we use of the relay transport beyond libp2p's interface. */
interface RelayTransport extends Transport {
  readonly reservationStore: {
    hasReservation(relay: Libp2pPeerId): boolean
    addRelay(relay: Libp2pPeerId, type: 'configured'): Promise<unknown>
  }
}

export async function createMeshNode(options: NodeOptions): Promise<MeshNode> {
  const { limits } = options
  const dhtProtocol = `/banmesh/${options.network}/kad/1.0.0`
  let friends: FriendsOnly | undefined
  let inner: Inner | undefined
  let relayTransport: RelayTransport | undefined
  /** Relays that the transport has a listener for: it keeps it when the connection ends. */
  const listened = new Set<PeerId>()

  function friendsOf(registrar: Registrar): Registrar {
    friends ??= friendsOnly(registrar, options.isFriend, (protocol, { remotePeer, remoteAddr }) => {
      if (protocol.startsWith('/meshsub/')) options.knocked(remotePeer.toString() as PeerId, remoteAddr)
    })
    return friends.registrar
  }

  /** The relay's client and the hole punching see friends only, like gossip: libp2p would take a relay from anybody. */
  function forFriends(all: CircuitRelayTransportComponents): CircuitRelayTransportComponents {
    const { peerId, peerStore, connectionManager, transportManager, randomWalk, events } = all
    const { logger, upgrader, addressManager, connectionGater } = all
    return {
      registrar: friendsOf(all.registrar),
      peerId,
      peerStore,
      connectionManager,
      transportManager,
      randomWalk,
      events,
      logger,
      upgrader,
      addressManager,
      connectionGater
    }
  }

  const arrivals = createArrivals({ ...options, connections: () => libp2p.getConnections() })
  const libp2p: Libp2p = await createLibp2p({
    start: false,
    privateKey: options.privateKey,
    datastore: options.datastore,
    ...(options.metrics !== undefined && { metrics: options.metrics }),
    nodeInfo: { name: 'banmesh', version: options.version, userAgent: `banmesh/${options.version}` },
    addresses: { listen: [...options.listen], appendAnnounce: [...options.announce] },
    transports: [
      guardedTcp(arrivals.admitsConnection, limits.handshakeAnswers),
      ...(options.relay
        ? [
            (all: CircuitRelayTransportComponents) => {
              const init = {
                maxInboundStopStreams: limits.relayStreamsPerConnection,
                maxOutboundStopStreams: limits.relayStreamsPerConnection,
                reservationCompletionTimeout: limits.reservationTimeoutMs
              }
              relayTransport = circuitRelayTransport(init)(forFriends(all)) as RelayTransport
              return relayTransport
            }
          ]
        : [])
    ],
    ...(options.networkKey !== undefined && { connectionProtector: preSharedKey({ psk: options.networkKey }) }),
    ...(options.mdns && { peerDiscovery: [localDiscovery(options)] }),
    connectionEncrypters: [noise()],
    streamMuxers: [
      safeYamux(
        { maxInboundStreams: limits.streamsPerConnection },
        { admits: arrivals.admitsStream, negotiationAnswers: limits.negotiationAnswers }
      )
    ],
    connectionGater: createGate({
      ...options,
      connections: (peer) => libp2p.getConnections(peer).length,
      refused: (peer, address) => options.knocked(peer.toString() as PeerId, address)
    }),
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
      identify: identify({ runOnLimitedConnection: true }),
      // The connection monitor and the DHT ping too. By default a second ping at the same time is an error, for which the
      // monitor gives the whole connection up.
      ping: ping({ maxInboundStreams: 8, maxOutboundStreams: 8, runOnLimitedConnection: true }),
      ...(options.dht && {
        dht: dhtService(dhtProtocol, limits, arrivals.admitsQuery),
        autonat: autonatService(options.network)
      }),
      ...(options.upnp && { upnp: uPnPNAT({ autoConfirmAddress: true }) }),
      ...(options.relay && {
        relay: (all: CircuitRelayTransportComponents & { privateKey: PrivateKey }) =>
          circuitRelayServer({
            maxInboundHopStreams: limits.relayStreamsPerConnection,
            maxOutboundStopStreams: limits.relayStreamsPerConnection,
            reservations: {
              maxReservations: limits.relayReservations,
              defaultDataLimit: BigInt(limits.relayedBytes),
              defaultDurationLimit: limits.relayedMs
            }
          })({ ...forFriends(all), privateKey: all.privateKey }),
        dcutr: (all: DCUtRServiceComponents) => {
          const { peerStore, connectionManager, addressManager, transportManager, logger } = all
          const registrar = friendsOf(all.registrar)
          return dcutr()({ registrar, peerStore, connectionManager, addressManager, transportManager, logger })
        }
      }),
      gossip: (all: GossipSubComponents & Inner) => {
        inner = all
        return options.gossip(all, friendsOf(all.registrar))
      }
    }
  })
  const services = libp2p.services as { dht?: KadDHT; identify: Identify }
  confirmOwnAddresses()

  /**
   * libp2p tells nobody of a public address on our own interface until four others have dialled it, which in a small mesh
   * never comes to pass. That we have it is reason enough; AutoNAT still takes it back if nobody gets through.
   */
  function confirmOwnAddresses(): void {
    libp2p.addEventListener('transport:listening', ({ detail: listener }) => {
      for (const address of listener.getAddrs()) {
        if (!isRelayed(address) && !isPrivate(address)) {
          inner?.addressManager.confirmObservedAddr(address, { type: 'transport' })
        }
      }
    })
  }

  return {
    libp2p,
    dht: services.dht ?? null,
    dhtProtocol,
    handle: (protocol, handler, opts) => friends!.registrar.handle(protocol, handler, opts),
    handleAnybody: (protocol, handler, opts) => libp2p.handle(protocol, handler, opts),
    async openStream(friend, protocol, opts) {
      const connection = openConnections(libp2p.getConnections(peerIdFromString(friend))).at(-1)
      if (connection === undefined || !options.isFriend(friend)) throw new Error('no connection with this friend')
      const signal = opts?.signal ?? AbortSignal.timeout(limits.streamTimeoutMs)
      return connection.newStream(protocol, { signal, runOnLimitedConnection: true })
    },
    identify: (connection) => services.identify.identify(connection),
    cutOff(peer) {
      friends!.forget(peer)
      for (const connection of libp2p.getConnections(peer)) connection.abort(new Error('cut off'))
    },
    reserved: (relay) => relayTransport?.reservationStore.hasReservation(peerIdFromString(relay)) ?? false,
    async reserve(relay) {
      if (relayTransport === undefined || inner === undefined) throw new Error('relaying is off')
      if (listened.has(relay)) {
        await relayTransport.reservationStore.addRelay(peerIdFromString(relay), 'configured')
        return
      }
      await inner.transportManager.listen([multiaddr(`/p2p/${relay}/p2p-circuit`)])
      listened.add(relay)
    },
    async setDhtMode(mode) {
      await services.dht?.setMode(mode)
    }
  }
}

/** Components that libp2p hands to every service; the types of those services that we have don't say so. */
type Inner = Pick<CircuitRelayTransportComponents, 'addressManager' | 'transportManager'>

/** Whether our public addresses work, asked of peers of our own network. */
function autonatService(network: string) {
  return (all: AutoNATComponents): unknown => autoNAT({ protocolPrefix: `banmesh/${network}` })(all)
}

/**
 * In the local network we answer whoever asks for nodes of our mesh, and hear who is there: a friend among them is dialled.
 * The name is a hash, so that the network's own name is not shouted about.
 */
function localDiscovery({ network, found }: Pick<NodeOptions, 'network' | 'found'>) {
  const name = createHash('sha256').update(`banmesh-mdns:${network}`).digest('hex').slice(0, 16)
  return (all: MulticastDNSComponents) => {
    const service = mdns({ serviceTag: `_banmesh-${name}._tcp.local` })(all)
    service.addEventListener('peer', ({ detail }) => found(detail.id.toString() as PeerId, detail.multiaddrs))
    return service
  }
}
