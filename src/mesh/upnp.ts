/** Whether to look for a router that opens a port for us (UPnP): only where there is one, so that servers stay silent. */
import { isPrivate } from '@libp2p/utils'
import { multiaddr } from '@multiformats/multiaddr'

const ANY = '0.0.0.0'
const LOOPBACK = /^127\./

/**
 * True if we listen on IPv4 beyond this machine, and all IPv4 addresses that it has are private.
 * `listen`: multiaddrs; `interfaces`: this machine's addresses, of both families.
 */
export function routerMayHelp(listen: readonly string[], interfaces: readonly string[]): boolean {
  const hosts = listen.flatMap((address) => /^\/ip4\/([^/]+)/.exec(address)?.[1] ?? [])
  if (!hosts.some((host) => host === ANY || isOfLan(host))) return false
  const own = interfaces.filter((address) => address.includes('.') && !LOOPBACK.test(address))
  return own.length > 0 && own.every(isOfLan)
}

function isOfLan(host: string): boolean {
  return host !== ANY && !LOOPBACK.test(host) && isPrivate(multiaddr(`/ip4/${host}`))
}
