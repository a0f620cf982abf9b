/**
 * Whether a firewall blocks an address: a walk through its chains as the kernel does it, on rules that are told in a few
 * plain words. What a rule asks besides the source address (ports, protocols, states) is only known to be asked: a ban of
 * fail2ban is mostly for some ports, and counts; a rule that blocks everybody is no ban, and does not.
 */
import { BlockList } from 'node:net'
import { cidrFromBytes, cidrToBytes, parseCidr, type Cidr } from '../core/cidr.ts'

export interface FirewallRule {
  /** Whom it is about; null: everybody. */
  readonly sources: AddressSet | null
  /** It asks something else too. */
  readonly narrowed: boolean
  readonly does: 'block' | 'accept' | 'return' | 'nothing' | { readonly chain: string }
}

export interface FirewallRules {
  readonly chains: ReadonlyMap<string, readonly FirewallRule[]>
  /** The chains in which what comes in begins, in any order. */
  readonly entries: readonly string[]
}

export interface AddressSet {
  has(subject: Cidr): boolean
}

/** Chains in chains; the kernel's own limit is 16. */
const DEPTH = 16

const PLAIN_IPV4 = /^[0-9]{1,3}(?:\.[0-9]{1,3}){3}$/

/** Whether some rule blocks this address, or the whole CIDR, because of what it is. */
export function isBlocked(subject: Cidr, { chains, entries }: FirewallRules): boolean {
  type End = 'blocked' | 'accepted' | 'goes-on'
  function walk(name: string, meant: boolean, depth: number): End {
    for (const { sources, narrowed, does } of depth > DEPTH ? [] : (chains.get(name) ?? [])) {
      if (sources !== null && !sources.has(subject)) continue
      const isMeant = meant || sources !== null
      if (typeof does === 'object') {
        const end = walk(does.chain, isMeant, depth + 1)
        if (end === 'blocked' || (end === 'accepted' && !narrowed)) return end
      } else if (does === 'block' && isMeant) return 'blocked'
      else if (does !== 'nothing' && !narrowed) return does === 'return' ? 'goes-on' : 'accepted'
    }
    return 'goes-on'
  }
  return entries.some((entry) => walk(entry, false, 0) === 'blocked')
}

/** `texts`: addresses and CIDRs; what is neither is passed over. `ranges`: first and last address of each. */
export function createAddressSet(
  texts: Iterable<string>,
  ranges: Iterable<readonly [string, string]> = []
): AddressSet {
  const cidrs = new Set<Cidr>()
  const widths = new Set<number>()
  for (const text of texts) {
    // A set may have 100,000 of them, and programs print them in no other form.
    if (PLAIN_IPV4.test(text)) {
      cidrs.add(text as Cidr)
      widths.add(4 * 1000 + 32)
      continue
    }
    const cidr = parseCidr(text)
    if (cidr === null) continue
    cidrs.add(cidr)
    const { address, prefix } = cidrToBytes(cidr)
    widths.add(address.length * 1000 + prefix)
  }
  const list = new BlockList()
  for (const [first, last] of ranges) {
    const [from, to] = [parseCidr(first), parseCidr(last)]
    if (from !== null && to !== null) list.addRange(from, to, from.includes(':') ? 'ipv6' : 'ipv4')
  }
  return {
    has(subject) {
      const { address, prefix } = cidrToBytes(subject)
      for (const width of widths) {
        const bits = width % 1000
        if (width - bits !== address.length * 1000 || bits > prefix) continue
        if (cidrs.has(cidrFromBytes({ address, prefix: bits })!)) return true
      }
      return !subject.includes('/') && list.check(subject, subject.includes(':') ? 'ipv6' : 'ipv4')
    }
  }
}
