/** Connections with a peer: which are open, which go through a relay, and which is to be used. */
import type { Connection } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'

/** Open ones, the best last: direct before relayed, then the newest. */
export function openConnections(connections: readonly Connection[]): Connection[] {
  const open = connections.filter(({ status }) => status === 'open')
  return [
    ...open.filter(({ remoteAddr }) => isRelayed(remoteAddr)),
    ...open.filter((one) => !isRelayed(one.remoteAddr))
  ]
}

export function isRelayed(address: Multiaddr): boolean {
  return address.getComponents().some(({ name }) => name === 'p2p-circuit')
}

/** The peer ID of the relay in `/.../p2p/RELAY/p2p-circuit/...`; null for a direct address, or if it is not named. */
export function relayOf(address: Multiaddr): string | null {
  const parts = address.getComponents()
  const circuit = parts.findIndex(({ name }) => name === 'p2p-circuit')
  const relay = circuit > 0 ? parts[circuit - 1] : undefined
  return relay?.name === 'p2p' ? (relay.value ?? null) : null
}
