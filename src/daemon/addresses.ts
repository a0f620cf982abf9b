/** The addresses that belong to this node and its friends: they are never banned, whatever the mesh says. */
import { lookup } from 'node:dns/promises'
import { networkInterfaces } from 'node:os'
import { parseCidr, type Cidr } from '../core/cidr.ts'

/** The addresses of this machine's network interfaces. */
export function interfaceAddresses(): Cidr[] {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? [])
  return all.flatMap(({ address }) => parseCidr(address.replace(/%.*$/, '')) ?? [])
}

/** The IP addresses in multiaddrs such as `/ip4/192.0.2.1/tcp/7337`; relays' addresses count too. */
export function addressesIn(multiaddrs: Iterable<string>): Cidr[] {
  return [...multiaddrs].flatMap((text) =>
    [...text.matchAll(/\/ip[46]\/([^/]+)/g)].flatMap(([, address]) => parseCidr(address!) ?? [])
  )
}

/** Milliseconds after which a look-up counts as failed: the system's resolver may take minutes. */
const LOOKUP_MS = 5000
/** Addresses of one name; whoever runs its zone may name more. */
const ADDRESSES_PER_NAME = 64

/** Looks host names up; a name that does not resolve just now keeps the addresses of `before`. */
export async function resolveHosts(
  hosts: readonly string[],
  before: ReadonlyMap<string, readonly Cidr[]>
): Promise<{ addresses: Map<string, readonly Cidr[]>; failed: string[] }> {
  const addresses = new Map<string, readonly Cidr[]>()
  const failed: string[] = []
  await Promise.all(
    hosts.map(async (host) => {
      try {
        const found = await Promise.race([lookup(host, { all: true }), failAfter(LOOKUP_MS)])
        const known = found.slice(0, ADDRESSES_PER_NAME).flatMap(({ address }) => parseCidr(address) ?? [])
        addresses.set(host, known)
      } catch {
        failed.push(host)
        addresses.set(host, before.get(host) ?? [])
      }
    })
  )
  return { addresses, failed }
}

function failAfter(ms: number): Promise<never> {
  return new Promise((_resolve, reject) => setTimeout(() => reject(new Error('no answer')), ms).unref())
}
