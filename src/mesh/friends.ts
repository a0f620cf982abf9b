/**
 * Keeps friends connected. Every friend has a loop of its own, so that one who can't be reached delays nobody: addresses
 * from the config, then those at which it was met; if that fails, through friends who relay, and a question to the DHT
 * that goes on beside; a pause that grows to minutes, and again, for as long as it is a friend. (libp2p gives up after
 * five tries.) A friend who is reached through a relay only is tried directly from time to time.
 */
import type { Connection, IdentifyResult, Libp2p, PeerId as Libp2pPeerId } from '@libp2p/interface'
import type { KadDHT } from '@libp2p/kad-dht'
import { peerIdFromString } from '@libp2p/peer-id'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { PeerId } from '../core/report.ts'
import { withoutPeer, type Addresses } from './addresses.ts'
import { isRelayed, openConnections } from './connections.ts'
import type { MeshLimits } from './limits.ts'

export interface FriendsOptions {
  readonly libp2p: Libp2p
  readonly dht: KadDHT | null
  readonly addresses: Addresses
  readonly limits: MeshLimits
  /** Unix ms. */
  readonly now: () => number
  /** Ms to wait before try number `attempt` (from 0). */
  readonly delayMs: (attempt: number) => number
  /** How far gossip has got with a connected friend; `closed` is what a friend makes of it who has not added us. */
  readonly linkState: (friend: PeerId) => 'ready' | 'open' | 'closed' | 'none'
  /** Asks the other side who it is and where; the answer is a `peer:identify` event. */
  readonly identify: (connection: Connection) => Promise<unknown>
  /** Addresses at which the friend may be reached through others. */
  readonly relays: (friend: PeerId) => Promise<readonly Multiaddr[]>
}

export interface Friends {
  has(peer: PeerId): boolean
  all(): readonly PeerId[]
  start(): void
  /** A known friend is tried at once if it is not connected: it may have a new address. */
  add(friend: PeerId): void
  remove(friend: PeerId): void
  /** Gossip works from now on, or no longer. The loss of a link that was good is mended without a long pause. */
  ready(friend: PeerId, isReady: boolean): void
  /** Unix ms since when the friend is connected, or null. */
  connectedSince(friend: PeerId): number | null
  /** The friend is there and lets us not in: most likely it has not added us. */
  waiting(friend: PeerId): boolean
  /** Somebody says that the friend is there: tried at once, unless such a word came just before. */
  hint(friend: PeerId, addresses: readonly Multiaddr[]): void
  stop(): void
}

interface Friend {
  readonly id: PeerId
  readonly peer: Libp2pPeerId
  readonly end: AbortController
  attempt: number
  /** There is something new to try. */
  again: boolean
  connectedSince: number | null
  /** Gossip has worked on this connection. */
  wasReady: boolean
  /** Times in a row that it took our connection and closed it soon after, without gossip. */
  refusals: number
  /** Unix ms. */
  hintedAt: number
  /** Ends the pause of the loop. */
  wake: () => void
  readyTimer?: NodeJS.Timeout
  lookup?: Promise<void>
}

export function createFriends(options: FriendsOptions): Friends {
  const { libp2p, limits, addresses } = options
  const friends = new Map<PeerId, Friend>()
  const surplusTimers = new Set<NodeJS.Timeout>()
  let started = false

  const open = (friend: Friend): Connection[] => openConnections(libp2p.getConnections(friend.peer))
  const isConnected = (friend: Friend): boolean => open(friend).length > 0
  const isDirect = (friend: Friend): boolean => open(friend).some(({ remoteAddr }) => !isRelayed(remoteAddr))

  async function keep(friend: Friend): Promise<void> {
    while (!friend.end.signal.aborted) {
      friend.again = false
      while (await reach(friend)) {
        await pause(friend, isDirect(friend) ? null : limits.directRetryMs)
        if (friend.end.signal.aborted || !isConnected(friend)) break
        if (!isDirect(friend)) await goDirect(friend)
      }
      if (!isConnected(friend) && !friend.again) await pause(friend, options.delayMs(friend.attempt++))
    }
  }

  /** A router may have opened a port for it meanwhile: so first it is asked where it can be reached now. */
  async function goDirect(friend: Friend): Promise<void> {
    for (const connection of open(friend)) await options.identify(connection).catch(() => {})
    await dial(friend, direct(addresses.of(friend.id)), new Set(), true)
  }

  /** Until the time is over (null: while it is connected), the friend connects or disconnects, or is removed. */
  function pause(friend: Friend, ms: number | null): Promise<void> {
    if (friend.end.signal.aborted || (ms === null && !isConnected(friend))) return Promise.resolve()
    return new Promise((resolve) => {
      const timer = ms === null ? undefined : setTimeout(resolve, ms)
      friend.wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  /** True when connected. */
  async function reach(friend: Friend): Promise<boolean> {
    const tried = new Set<string>()
    if (isConnected(friend) || (await dial(friend, addresses.of(friend.id), tried))) return true
    if (await dial(friend, await options.relays(friend.id), tried)) return true
    // Not waited for: with nobody to ask yet it may take its whole time.
    if (options.dht !== null) friend.lookup ??= lookUp(friend, options.dht, tried).finally(() => delete friend.lookup)
    return false
  }

  /** `anew`: although there is a connection. */
  async function dial(friend: Friend, to: readonly Multiaddr[], tried: Set<string>, anew = false): Promise<boolean> {
    const fresh = to.filter((address) => !tried.has(address.toString())).slice(0, limits.addressesPerFriend)
    for (const address of fresh) tried.add(address.toString())
    if (fresh.length === 0) return isConnected(friend)
    try {
      const signal = AbortSignal.any([friend.end.signal, AbortSignal.timeout(limits.dialTimeoutMs)])
      const targets = fresh.map((address) => address.encapsulate(`/p2p/${friend.id}`))
      const connection = await libp2p.dial(targets, { signal, force: anew })
      if (connection.direction === 'outbound') await met(friend, [connection.remoteAddr])
    } catch {
      // Unreachable, refused, or somebody else behind that address: the next way, or the next time.
    }
    return isConnected(friend)
  }

  /** Dials what the DHT says as the answers come in: some may be old, or lies. */
  async function lookUp(friend: Friend, dht: KadDHT, tried: Set<string>): Promise<void> {
    const signal = AbortSignal.any([friend.end.signal, AbortSignal.timeout(limits.lookupTimeoutMs)])
    try {
      // Without `useCache: false` the answer is what our own peer store says.
      for await (const event of dht.findPeer(friend.peer, { useCache: false, signal })) {
        if (event.name !== 'FINAL_PEER') continue
        const found = event.peer.multiaddrs.flatMap((address) => withoutPeer(address, friend.id) ?? [])
        if (await dial(friend, found, tried)) return
      }
    } catch {
      // Not found, or the DHT has nobody to ask.
    }
  }

  async function met(friend: Friend, at: readonly Multiaddr[]): Promise<void> {
    await addresses.met(friend.id, at, options.now()).catch(() => {})
  }

  /** Both dialled at the same time: the peer with the smaller ID closes all but the best, so both keep the same one. */
  function trim(friend: Friend): void {
    if (open(friend).length < 2 || libp2p.peerId.toString() > friend.id) return
    const timer = setTimeout(() => {
      surplusTimers.delete(timer)
      for (const connection of open(friend).slice(0, -1)) connection.close().catch(() => connection.abort(SURPLUS))
    }, limits.surplusAfterMs)
    surplusTimers.add(timer)
  }

  /**
   * Whatever got stuck between us, a new connection mends it: identify that failed, a subscription that was lost. Between
   * two such connections is the loop's pause, which grows.
   */
  function watch(friend: Friend): void {
    clearTimeout(friend.readyTimer)
    friend.readyTimer = setTimeout(() => {
      const state = options.linkState(friend.id)
      if (state === 'open' || state === 'none') for (const connection of open(friend)) connection.abort(STUCK)
      else if (state === 'closed') watch(friend)
    }, limits.readyTimeoutMs)
  }

  function onOpen({ detail: connection }: CustomEvent<Connection>): void {
    const friend = friends.get(connection.remotePeer.toString() as PeerId)
    if (friend === undefined) return
    if (friend.connectedSince === null) {
      friend.connectedSince = options.now()
      friend.wasReady = false
      watch(friend)
    }
    trim(friend)
    friend.wake()
  }

  function onDisconnect({ detail: peer }: CustomEvent<Libp2pPeerId>): void {
    const friend = friends.get(peer.toString() as PeerId)
    if (friend === undefined) return
    clearTimeout(friend.readyTimer)
    if (friend.connectedSince !== null) {
      void met(friend, [])
      const soon = options.now() - friend.connectedSince < limits.refusedWithinMs
      friend.refusals = soon && !friend.wasReady ? friend.refusals + 1 : 0
    }
    friend.connectedSince = null
    friend.wake()
  }

  function onIdentify({ detail }: CustomEvent<IdentifyResult>): void {
    const friend = friends.get(detail.peerId.toString() as PeerId)
    if (friend === undefined) return
    const dialled = detail.connection.direction === 'outbound' ? [detail.connection.remoteAddr] : []
    void met(friend, [...dialled, ...(detail.signedPeerRecord?.addresses ?? detail.listenAddrs)])
  }

  function end(friend: Friend): void {
    friend.end.abort()
    clearTimeout(friend.readyTimer)
    friend.wake()
  }

  libp2p.addEventListener('connection:open', onOpen)
  libp2p.addEventListener('peer:disconnect', onDisconnect)
  libp2p.addEventListener('peer:identify', onIdentify)

  return {
    has: (peer) => friends.has(peer),
    all: () => [...friends.keys()],
    start() {
      started = true
      for (const friend of friends.values()) void keep(friend)
    },
    add(id) {
      const known = friends.get(id)
      if (known !== undefined) {
        known.attempt = 0
        known.again = true
        return known.wake()
      }
      const friend: Friend = {
        id,
        peer: peerIdFromString(id),
        end: new AbortController(),
        attempt: 0,
        again: false,
        connectedSince: null,
        wasReady: false,
        refusals: 0,
        hintedAt: 0,
        wake: () => {}
      }
      friends.set(id, friend)
      if (started) void keep(friend)
    },
    remove(id) {
      const friend = friends.get(id)
      if (friend === undefined) return
      friends.delete(id)
      end(friend)
    },
    ready(id, isReady) {
      const friend = friends.get(id)
      if (friend === undefined) return
      if (isReady) {
        friend.attempt = 0
        friend.refusals = 0
        friend.wasReady = true
      } else if (isConnected(friend)) watch(friend)
    },
    connectedSince: (id) => friends.get(id)?.connectedSince ?? null,
    waiting(id) {
      const friend = friends.get(id)
      if (friend === undefined) return false
      if (!isConnected(friend)) return friend.refusals >= REFUSALS
      // Right after the connection was made the stream is not open yet either.
      const since = options.now() - (friend.connectedSince ?? options.now())
      return options.linkState(id) === 'closed' && since > limits.surplusAfterMs
    },
    hint(id, at) {
      const friend = friends.get(id)
      if (friend === undefined || !started || isConnected(friend)) return
      if (options.now() - friend.hintedAt < limits.hintIntervalMs) return
      friend.hintedAt = options.now()
      const targets = at.flatMap((address) => withoutPeer(address, id) ?? [])
      void dial(friend, direct(targets), new Set())
    },
    stop() {
      for (const friend of friends.values()) end(friend)
      for (const timer of surplusTimers) clearTimeout(timer)
      libp2p.removeEventListener('connection:open', onOpen)
      libp2p.removeEventListener('peer:disconnect', onDisconnect)
      libp2p.removeEventListener('peer:identify', onIdentify)
    }
  }
}

/** One may be an accident: a restart just then. */
const REFUSALS = 2

function direct(addresses: readonly Multiaddr[]): Multiaddr[] {
  return addresses.filter((address) => !isRelayed(address))
}

const SURPLUS = new Error('surplus connection')
const STUCK = new Error('gossip did not get ready')
