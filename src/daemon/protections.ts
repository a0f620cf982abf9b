/**
 * Who is never banned here, gathered live: the allowlist with its host names looked up again and again, this machine's
 * addresses, the friends' addresses, and the operator's vetoes. `core/protection.ts` decides; this keeps its input fresh.
 */
import type { Cidr } from '../core/cidr.ts'
import { createProtection, type Protection, type ProtectionReason, type ProtectionSets } from '../core/protection.ts'
import type { Subject } from '../core/subject.ts'
import { interfaceAddresses, resolveHosts } from './addresses.ts'
import type { Touched } from './reviewing.ts'

export interface ProtectionsOptions {
  /** The allowlist as configured. */
  allowlist(): { readonly cidrs: readonly Cidr[]; readonly hosts: readonly string[] }
  protectReserved(): boolean
  announced(): readonly Cidr[]
  friendAddresses(): readonly Cidr[]
  vetoes(): readonly Subject[]
  /** Host names that did not resolve; their last addresses stay in force. */
  unresolved(hosts: readonly string[]): void
}

export interface Protections {
  protectedBy(subject: Subject): ProtectionReason | null
  /** Gathers everything anew but host names, and says whose protection has changed. */
  refresh(): Touched
  /** Looks the host names up, then refreshes. */
  resolve(): Promise<Touched>
}

export function createProtections(options: ProtectionsOptions): Protections {
  let resolved: ReadonlyMap<string, readonly Cidr[]> = new Map()
  let sets: ProtectionSets = { allowlist: [], own: [], friends: [], vetoes: [], protectReserved: false }
  let protection: Protection

  function refresh(): Touched {
    const before = sets
    sets = {
      allowlist: [...options.allowlist().cidrs, ...[...resolved.values()].flat()],
      own: [...interfaceAddresses(), ...options.announced()],
      friends: options.friendAddresses(),
      vetoes: options.vetoes(),
      protectReserved: options.protectReserved()
    }
    const touched = difference(before, sets)
    if (touched.length > 0) protection = createProtection(sets)
    return touched
  }

  protection = createProtection(sets)
  refresh()
  return {
    protectedBy: (subject) => protection.protectedBy(subject),
    refresh,
    async resolve() {
      const { hosts } = options.allowlist()
      const { addresses, failed } = await resolveHosts(hosts, resolved)
      resolved = addresses
      if (failed.length > 0) options.unresolved(failed)
      return refresh()
    }
  }
}

function difference(before: ProtectionSets, after: ProtectionSets): Touched {
  if (before.protectReserved !== after.protectReserved) return 'everything'
  const touched = new Set<Cidr>()
  for (const name of ['allowlist', 'own', 'friends', 'vetoes'] as const) {
    for (const cidr of new Set(before[name]).symmetricDifference(new Set(after[name]))) touched.add(cidr)
  }
  return [...touched]
}
