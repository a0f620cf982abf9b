/**
 * Whether others can reach this node directly, as far as it shows: by connections that came in, by what friends and others
 * say from where they see us, and by the addresses that we have. It decides whether the DHT may count on us, and whether
 * we ask friends to relay.
 */
import type { Connection, IdentifyResult, Libp2p } from '@libp2p/interface'
import { isPrivate } from '@libp2p/utils'
import type { Multiaddr } from '@multiformats/multiaddr'
import { isRelayed } from './connections.ts'
import { hostOf } from './gate.ts'

/** So many peers have to see us at an address that we don't have: one could lie. */
const WITNESSES = 2
/** Peers whose word is kept. */
const WITNESSES_KEPT = 16

export interface Reachability {
  /** A router stands between us and the others, and lets nobody in. */
  behindNat(): boolean
  /** Nobody has ever reached us directly, or only from the local network while a router keeps the rest out. */
  needsRelay(): boolean
  /** Whether others may ask us: they have to reach us for that. */
  dhtMode(): 'server' | 'client'
}

export interface ReachabilityOptions {
  readonly libp2p: Pick<Libp2p, 'addEventListener' | 'getMultiaddrs'>
}

export function createReachability({ libp2p }: ReachabilityOptions): Reachability {
  const witnesses = new Map<string, string>()
  let reached = false
  let reachedFromOutside = false

  const direct = (): Multiaddr[] => libp2p.getMultiaddrs().filter((address) => !isRelayed(address))

  libp2p.addEventListener('connection:open', ({ detail }: CustomEvent<Connection>) => {
    if (detail.direction !== 'inbound' || isRelayed(detail.remoteAddr)) return
    reached = true
    if (!isPrivate(detail.remoteAddr)) reachedFromOutside = true
  })
  libp2p.addEventListener('peer:identify', ({ detail }: CustomEvent<IdentifyResult>) => {
    const { observedAddr, connection, peerId } = detail
    // Who has dialled us says where it did, perhaps by name: no router was in the way of that.
    if (connection.direction === 'inbound') return
    if (observedAddr === undefined || isRelayed(connection.remoteAddr)) return
    const id = peerId.toString()
    witnesses.delete(id)
    witnesses.set(id, isPrivate(observedAddr) ? '' : hostOf(observedAddr))
    if (witnesses.size > WITNESSES_KEPT) witnesses.delete([...witnesses.keys()][0]!)
  })

  function behindNat(): boolean {
    if (reachedFromOutside || direct().some((address) => !isPrivate(address))) return false
    return [...witnesses.values()].filter((host) => host !== '').length >= WITNESSES
  }

  return {
    behindNat,
    needsRelay: () => !reached || behindNat(),
    dhtMode: () => (direct().length === 0 || behindNat() ? 'client' : 'server')
  }
}
