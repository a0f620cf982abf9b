/**
 * The mesh: this node and its friends. The one thing that the daemon sees of this folder; peers are named by core's peer
 * IDs, and no libp2p type leaves but a stream.
 */
import type { ComponentLogger, Libp2p, Metrics, PrivateKey, Stream, StreamHandler } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { MemoryDatastore } from 'datastore-core/memory'
import type { Datastore } from 'interface-datastore'
import type { PeerId } from '../core/report.ts'
import { createAddresses } from './addresses.ts'
import { createBootstrap } from './bootstrap.ts'
import { openConnections } from './connections.ts'
import { createFriends } from './friends.ts'
import { createGossip } from './gossip.ts'
import { createKnownPeers } from './known-peers.ts'
import { createKnocks, type Knock } from './knocks.ts'
import { MESH_LIMITS, type MeshLimits } from './limits.ts'
import { createLinks } from './links.ts'
import { createMeshNode } from './node.ts'
import { createReachability } from './reachability.ts'
import { createRelays } from './relays.ts'
import { limitStrangers } from './strangers.ts'

export interface FriendAddresses {
  readonly id: PeerId
  /** Configured multiaddrs; may be empty, the DHT finds them. */
  readonly addresses: readonly string[]
}

export interface MeshOptions {
  /** Ed25519. */
  readonly privateKey: PrivateKey
  readonly network: string
  /** Multiaddrs; port 0 is any. */
  readonly listen: readonly string[]
  /** Multiaddrs told to others besides those we listen on: fixed mappings of a NAT. */
  readonly announce?: readonly string[]
  /** Multiaddrs that end in `/p2p/PEER_ID`; used with the DHT only. */
  readonly bootstrap?: readonly string[]
  /** False: nobody but friends may connect, and friends are not looked for. */
  readonly dht: boolean
  readonly friends: readonly FriendAddresses[]
  /** Relay for friends, and use friends as relays; true unless it is said otherwise. */
  readonly relay?: boolean
  /** Ask the router for a port, if one is between us and the others. */
  readonly upnp?: boolean
  /** Look for friends in the local network, and be found there. */
  readonly mdns?: boolean
  /** The text of a private network's key; whoever does not have it can't even begin a handshake. */
  readonly networkKey?: Uint8Array
  /** Where addresses survive a restart; without it they don't. */
  readonly datastore?: Datastore
  readonly limits?: Partial<MeshLimits>
  /** Told to every peer that connects. */
  readonly version: string
  /** Counts what libp2p does. */
  readonly metrics?: (components: { logger: ComponentLogger }) => Metrics
  /** Unix ms. */
  readonly now: () => number
  /** Ms to wait before try number `attempt` (from 0): from about a second to minutes, with jitter. */
  readonly delayMs: (attempt: number) => number
  /** A message of a friend: the one way in. It must not reject. */
  readonly onMessage: (message: Uint8Array, from: PeerId) => Promise<'ignore' | 'reject'>
  /** `ready`: what is published from now on reaches this friend; false: no longer. The moment to sync. */
  readonly onFriend: (friend: PeerId, ready: boolean) => void
  /** Somebody who is no friend behaves like one, for the first time that we remember. */
  readonly onKnock?: (knock: Knock) => void
}

export interface FriendState {
  readonly id: PeerId
  readonly connected: boolean
  /** Gossip flows both ways. Connected, but not ready for long: they have not added us (or are of another network). */
  readonly ready: boolean
  /** It is there, and refuses us: most likely it has not added us. */
  readonly waiting: boolean
  /** Multiaddrs: where it is now, or where it will be looked for. */
  readonly addresses: readonly string[]
  /** Unix ms, or null if never. */
  readonly lastSeen: number | null
  /** Unix ms, or null while it is not connected. */
  readonly connectedSince: number | null
  /** Of the last ping, or null. */
  readonly rttMs: number | null
}

export interface Mesh {
  readonly peerId: PeerId
  readonly topic: string
  readonly dhtProtocol: string
  /** Listens and connects. Call `handle` before. Throws if a listen address can't be had. */
  start(): Promise<void>
  /** Bounded; afterwards no timer and no socket is left. `onFriend` is not called any more. */
  stop(): Promise<void>
  /** The number of friends to whom it was sent. */
  publish(message: Uint8Array): Promise<number>
  /** Streams of this protocol that friends open; others' are reset. */
  handle(protocol: string, handler: StreamHandler, options?: { maxInboundStreams?: number }): Promise<void>
  /** The same for everybody who may connect. */
  handleAnybody(protocol: string, handler: StreamHandler, options?: { maxInboundStreams?: number }): Promise<void>
  /** Opens a stream to a connected friend. Throws if there is no connection, or it fails. */
  openStream(friend: PeerId, protocol: string, options?: { signal?: AbortSignal }): Promise<Stream>
  /** A friend from now on, also if it is connected as a stranger. Known ones are left alone but for new addresses. */
  addFriend(friend: FriendAddresses): Promise<void>
  /** No message of it is taken once this has been called. */
  removeFriend(friend: PeerId): Promise<void>
  /** Cuts a friend off, without forgetting where it is; `addFriend` takes it back. */
  suspendFriend(friend: PeerId): void
  isFriend(peer: PeerId): boolean
  friends(): readonly FriendState[]
  /** Who behaves like a friend and is none, the newest first. */
  knocks(): readonly Knock[]
  /** How others reach us: directly, or not, for a router is in the way. */
  reachability(): 'direct' | 'behind-nat'
  /** Multiaddrs with our peer ID. */
  addresses(): readonly string[]
  /** Connected peers that take part in our DHT. */
  dhtPeers(): Promise<number>
  /** For metrics and tests. */
  readonly libp2p: Libp2p
}

export async function createMesh(options: MeshOptions): Promise<Mesh> {
  const limits: MeshLimits = { ...MESH_LIMITS, ...options.limits }
  const datastore = options.datastore ?? new MemoryDatastore()
  const addresses = createAddresses(datastore, limits)
  // The node asks for friends while it is built, before there are any: it has not started then.
  const isFriend = (peer: PeerId): boolean => friends.has(peer)
  let stopped = false

  const links = createLinks({
    connections: (peer) => openConnections(node.libp2p.getConnections(peer)),
    delayMs: options.delayMs,
    streamTimeoutMs: limits.streamTimeoutMs
  })
  const gossip = createGossip({
    network: options.network,
    limits,
    links,
    isFriend,
    onMessage: options.onMessage,
    onReady(friend, ready) {
      if (stopped) return
      friends.ready(friend, ready)
      options.onFriend(friend, ready)
    }
  })
  const knocks = createKnocks({
    limits,
    now: options.now,
    onKnock: (knock) => {
      if (!stopped) options.onKnock?.(knock)
    }
  })
  const relay = options.relay ?? true
  const node = await createMeshNode({
    ...options,
    announce: options.announce ?? [],
    relay,
    upnp: options.upnp ?? false,
    mdns: options.mdns ?? false,
    knocked: (peer, address) => knocks.knock(peer, address),
    found: (peer, at) => friends.hint(peer, at),
    datastore,
    limits,
    isFriend,
    isFriendHost: (host) => addresses.isHost(host),
    gossip: gossip.service
  })
  const { libp2p } = node
  const reachability = createReachability({ libp2p })
  const relays = createRelays({
    libp2p,
    limits,
    friends: () => friends.all(),
    isReady: (friend) => gossip.isReady(friend),
    needsRelay: () => relay && reachability.needsRelay(),
    reserved: node.reserved,
    reserve: node.reserve
  })
  const friends = createFriends({
    libp2p,
    identify: node.identify,
    relays: (friend) => (relay ? relays.ways(friend) : Promise.resolve([])),
    dht: node.dht,
    addresses,
    limits,
    now: options.now,
    delayMs: options.delayMs,
    linkState: (friend) => (gossip.isReady(friend) ? 'ready' : links.state(friend))
  })
  const bootstrap = createBootstrap({
    addresses: node.dht === null ? [] : (options.bootstrap ?? []),
    isConnected: (peer) => libp2p.getPeers().some((other) => other.toString() === peer),
    connectedPeers: () => libp2p.getPeers().length,
    dial: (address) => libp2p.dial(address, { signal: AbortSignal.timeout(limits.dialTimeoutMs) }),
    delayMs: options.delayMs
  })
  const known = createKnownPeers(libp2p, limits.knownPeers, isFriend)
  limitStrangers(libp2p, limits.maxConnections, isFriend)
  for (const { id, addresses: configured } of options.friends) {
    await addresses.add(id, configured)
    friends.add(id)
  }

  function state(id: PeerId): FriendState {
    const connections = openConnections(libp2p.getConnections(peerIdFromString(id)))
    const here = connections.map(({ remoteAddr }) => remoteAddr.toString())
    return {
      id,
      connected: connections.length > 0,
      ready: gossip.isReady(id),
      waiting: friends.waiting(id),
      addresses: here.length > 0 ? here : addresses.of(id).map(String),
      lastSeen: connections.length > 0 ? options.now() : addresses.lastSeen(id),
      connectedSince: friends.connectedSince(id),
      rttMs: connections.findLast(({ rtt }) => rtt !== undefined)?.rtt ?? null
    }
  }

  return {
    peerId: libp2p.peerId.toString() as PeerId,
    topic: gossip.topic,
    dhtProtocol: node.dhtProtocol,
    async start() {
      await libp2p.start()
      await known.start()
      gossip.start()
      friends.start()
      bootstrap.start()
      relays.start()
      libp2p.addEventListener('self:peer:update', () => void node.setDhtMode(reachability.dhtMode()))
      libp2p.addEventListener('peer:identify', () => void node.setDhtMode(reachability.dhtMode()))
    },
    async stop() {
      stopped = true
      friends.stop()
      bootstrap.stop()
      relays.stop()
      links.stop()
      gossip.stop()
      await Promise.race([libp2p.stop(), overdue(limits.stopTimeoutMs)])
      for (const connection of libp2p.getConnections()) connection.abort(new Error('stopped'))
    },
    publish: gossip.publish,
    handle: node.handle,
    handleAnybody: node.handleAnybody,
    openStream: node.openStream,
    async addFriend({ id, addresses: configured }) {
      await addresses.add(id, configured)
      // Streams that were refused to the stranger don't come back by themselves.
      if (!friends.has(id)) node.cutOff(peerIdFromString(id))
      friends.add(id)
      knocks.forget(id)
    },
    async removeFriend(id) {
      friends.remove(id)
      node.cutOff(peerIdFromString(id))
      await addresses.remove(id)
    },
    suspendFriend(id) {
      friends.remove(id)
      node.cutOff(peerIdFromString(id))
    },
    isFriend,
    friends: () => friends.all().map(state),
    knocks: knocks.all,
    reachability: () => (reachability.behindNat() ? 'behind-nat' : 'direct'),
    addresses: () => libp2p.getMultiaddrs().map(String),
    async dhtPeers() {
      const peers = await libp2p.peerStore.all({ filters: [({ protocols }) => protocols.includes(node.dhtProtocol)] })
      return peers.filter(({ id }) => libp2p.getConnections(id).length > 0).length
    },
    libp2p
  }
}

function overdue(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref())
}
