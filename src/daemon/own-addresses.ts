/** Where this node can be reached, as far as it can tell by itself: for `id` and `invite`. */
import { cidrToBytes, covers, parseCidr, type Cidr } from '../core/cidr.ts'
import { interfaceAddresses } from './addresses.ts'

const UNSPECIFIED = { ip4: '0.0.0.0', ip6: '::' } as const
/** Addresses that mean nothing, or something else, on another machine. */
const LOCAL = ['0.0.0.0/8', '127.0.0.0/8', '169.254.0.0/16', '::/127', 'fe80::/10'].map(
  (text) => parseCidr(text) as Cidr
)

/**
 * From the config alone: what it announces, else where it listens, with this machine's addresses in the place of
 * `0.0.0.0` and `::`. A port 0 is not known before the daemon runs.
 */
export function configuredAddresses({
  announce,
  listen
}: {
  announce: readonly string[]
  listen: readonly string[]
}): string[] {
  if (announce.length > 0) return [...announce]
  const known = listen.filter((address) => !address.endsWith('/tcp/0'))
  return preferRoutable(known.flatMap((address) => expand(address, interfaceAddresses())))
}

/** Leaves out what no other machine can dial, unless there is nothing else. */
export function preferRoutable(addresses: readonly string[]): string[] {
  const routable = addresses.filter((address) => {
    const cidr = parseCidr(/^\/ip[46]\/([^/]+)/.exec(address)?.[1] ?? '')
    return cidr === null || !LOCAL.some((range) => covers(range, cidr))
  })
  return routable.length > 0 ? routable : [...addresses]
}

function expand(address: string, interfaces: readonly Cidr[]): string[] {
  const [, family, host, ...rest] = address.split('/') as [string, 'ip4' | 'ip6', string, ...string[]]
  if (host !== UNSPECIFIED[family]) return [address]
  const bytes = family === 'ip4' ? 4 : 16
  const own = interfaces.filter((cidr) => cidrToBytes(cidr).address.length === bytes)
  return own.map((cidr) => ['', family, cidr, ...rest].join('/'))
}
