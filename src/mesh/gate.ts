/**
 * Who may connect. Without the DHT nobody but friends has any business here: everyone else is refused as soon as the
 * noise handshake has proven who it is. With it strangers are let in, within bounds, and never at a friend's expense:
 * libp2p's own limits count friends and strangers together, so they are switched off and replaced by these.
 */
import type { ConnectionGater, MultiaddrConnection, PeerId as Libp2pPeerId } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { parseCidr } from '../core/cidr.ts'
import type { PeerId } from '../core/report.ts'
import { isRelayed, relayOf } from './connections.ts'
import type { MeshLimits } from './limits.ts'

export interface GateOptions {
  /** False: friends only. */
  readonly dht: boolean
  readonly limits: MeshLimits
  readonly isFriend: (peer: PeerId) => boolean
  /** Whether a friend was last known at this host (as `hostOf` spells it). */
  isFriendHost(host: string): boolean
  /** Open connections with the peer. */
  connections(peer: Libp2pPeerId): number
  /** Somebody who is no friend was refused for that alone. */
  refused(peer: Libp2pPeerId, address: Multiaddr): void
}

export function createGate(options: GateOptions): Required<Pick<ConnectionGater, GateMethods>> {
  const { dht, limits } = options
  const pending = new Map<MultiaddrConnection, string>()

  function tooManyPending(host: string): boolean {
    const hosts = [...pending.values()]
    if (hosts.filter((other) => other === host).length >= limits.pendingHandshakesPerHost) return true
    const strangers = hosts.filter((other) => !options.isFriendHost(other)).length
    return strangers >= limits.maxPendingHandshakes && !options.isFriendHost(host)
  }

  const isFriend = (peer: Libp2pPeerId): boolean => options.isFriend(peer.toString() as PeerId)

  function refused(peer: Libp2pPeerId, address: Multiaddr): boolean {
    const friend = isFriend(peer)
    if (!friend && (!dht || isRelayed(address))) {
      options.refused(peer, address)
      return true
    }
    return options.connections(peer) >= (friend ? limits.connectionsPerFriend : limits.connectionsPerStranger)
  }

  return {
    denyDialPeer: (peer) => !dht && !isFriend(peer),
    // Through friends only, whatever address the DHT or a friend tells.
    denyDialMultiaddr: (address) => isRelayed(address) && !options.isFriend((relayOf(address) ?? '') as PeerId),
    // No open relay: who reserves, who connects and who is reached are our friends. And we are reached through friends,
    // by friends.
    denyInboundRelayReservation: (source) => !isFriend(source),
    denyOutboundRelayedConnection: (source, destination) => !isFriend(source) || !isFriend(destination),
    denyInboundRelayedConnection: (relay, peer) => !isFriend(relay) || !isFriend(peer),
    denyInboundConnection(connection) {
      const host = hostOf(connection.remoteAddr)
      if (tooManyPending(host)) return true
      pending.set(connection, host)
      connection.addEventListener('close', () => pending.delete(connection), { once: true })
      return false
    },
    denyInboundEncryptedConnection: (peer, { remoteAddr }) => refused(peer, remoteAddr),
    denyOutboundEncryptedConnection: (peer) => !dht && !isFriend(peer),
    denyInboundUpgradedConnection(peer, connection) {
      pending.delete(connection)
      // Asked again: several handshakes of one peer may have been under way at the same time.
      return refused(peer, connection.remoteAddr)
    }
  }
}

type GateMethods =
  | 'denyDialPeer'
  | 'denyDialMultiaddr'
  | 'denyInboundRelayReservation'
  | 'denyOutboundRelayedConnection'
  | 'denyInboundRelayedConnection'
  | 'denyInboundConnection'
  | 'denyInboundEncryptedConnection'
  | 'denyOutboundEncryptedConnection'
  | 'denyInboundUpgradedConnection'

/** What an address costs its owner to have: an IPv4 address, an IPv6 /64; for a name, the name. */
export function hostOf(address: Multiaddr): string {
  const host = address.getComponents().find(({ name }) => HOST_COMPONENTS.has(name))?.value ?? ''
  // First folds v4-mapped IPv6, which would all be one /64.
  const folded = parseCidr(host) ?? host
  return (folded.includes(':') && parseCidr(`${folded}/64`)) || folded
}

const HOST_COMPONENTS = new Set(['ip4', 'ip6', 'dns', 'dns4', 'dns6'])
