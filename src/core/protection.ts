/**
 * What is never banned, whatever the evidence. Everything here works by overlap: a CIDR that contains an allowlisted
 * address is refused as well as an address in an allowlisted CIDR, and so on for each of the sets.
 */
import { cidrFromBytes, cidrToBytes, parseCidr, type Cidr } from './cidr.ts'
import { PROTOCOL_LIMITS } from './limits.ts'
import { createRanges, rangeOf } from './ranges.ts'
import type { Subject } from './subject.ts'

export type ProtectionReason = 'reserved' | 'own-address' | 'friend-address' | 'vetoed' | 'allowlisted'

export interface ProtectionSets {
  /** Host names are resolved by the caller. */
  readonly allowlist: readonly Cidr[]
  /** This machine's addresses. */
  readonly own: readonly Cidr[]
  /** The friends' addresses. */
  readonly friends: readonly Cidr[]
  /** What the operator has unbanned by hand. */
  readonly vetoes: readonly Cidr[]
  /** Whether the special-purpose ranges are protected; labs turn it off. */
  readonly protectReserved: boolean
}

export interface Protection {
  /** Null if it may be banned. */
  protectedBy(subject: Subject): ProtectionReason | null
}

/**
 * The IANA special-purpose address registries and multicast: what is no single host on the internet, or another one at
 * every node. A ban of such an address means nothing to others, and can hurt them.
 *
 * Left out on purpose: 6to4 (2002::/16, RFC 3056) and Teredo (2001::/32, RFC 4380). Their addresses belong to single
 * hosts that reach everybody; to protect them would give every attacker a refuge.
 */
const RESERVED = [
  '0.0.0.0/8', // this network, RFC 791
  '10.0.0.0/8', // private, RFC 1918
  '100.64.0.0/10', // shared by carriers' customers, RFC 6598
  '127.0.0.0/8', // loopback, RFC 1122
  '169.254.0.0/16', // link-local, RFC 3927
  '172.16.0.0/12', // private, RFC 1918
  '192.0.0.0/24', // IETF protocol assignments: DS-Lite, PCP and TURN anycast..., RFC 6890
  '192.0.2.0/24', // documentation, RFC 5737
  '192.31.196.0/24', // AS112 anycast, RFC 7535
  '192.52.193.0/24', // AMT anycast, RFC 7450
  '192.88.99.0/24', // 6to4 relay anycast, RFC 7526
  '192.168.0.0/16', // private, RFC 1918
  '192.175.48.0/24', // AS112 anycast, RFC 7534
  '198.18.0.0/15', // benchmarking, RFC 2544
  '198.51.100.0/24', // documentation, RFC 5737
  '203.0.113.0/24', // documentation, RFC 5737
  '224.0.0.0/4', // multicast, RFC 5771
  '240.0.0.0/4', // reserved, RFC 1112, with the limited broadcast, RFC 919
  // Global unicast is 2000::/3 and nothing else (RFC 4291, IANA's IPv6 address space). These three are the rest: the
  // unspecified address, loopback, IPv4-compatible, NAT64 (64:ff9b::/96, RFC 6052, where one CIDR could stand for all
  // of IPv4; 64:ff9b:1::/48, RFC 8215), discard-only (100::/64, RFC 6666; 100:0:0:1::/64, RFC 9780), SRv6 SIDs
  // (5f00::/16, RFC 9602), unique local (fc00::/7, RFC 4193), link-local (fe80::/10), site-local (fec0::/10, RFC 3879),
  // multicast (ff00::/8).
  '::/3',
  '4000::/2',
  '8000::/1',
  // IETF protocol assignments, 2001::/23 without Teredo, RFC 2928: anycast of PCP, TURN and DNS-SD, benchmarking (RFC
  // 5180), AMT (RFC 7450), AS112 (RFC 7535), ORCHID (RFC 4843, 7343), drone remote IDs (RFC 9374).
  '2001:1::/32',
  '2001:2::/31',
  '2001:4::/30',
  '2001:8::/29',
  '2001:10::/28',
  '2001:20::/27',
  '2001:40::/26',
  '2001:80::/25',
  '2001:100::/24',
  '2001:db8::/32', // documentation, RFC 3849
  '2620:4f:8000::/48', // AS112 anycast, RFC 7534
  '3fff::/20' // documentation, RFC 9637
].map((text) => parseCidr(text)!)

/**
 * To be made anew when a set changes. Reserved comes first: in such a range an address that looks like ours is somebody
 * else's, and no reason for an alarm. Own and friends' addresses come before what the operator chose, because there
 * somebody out there bans us, and that has to be told.
 */
export function createProtection({ allowlist, own, friends, vetoes, protectReserved }: ProtectionSets): Protection {
  const guards = [
    ['reserved', createRanges(protectReserved ? RESERVED : [])],
    ['own-address', createRanges(own)],
    ['friend-address', createRanges(friends)],
    ['vetoed', createRanges(vetoes)],
    ['allowlisted', createRanges(allowlist)]
  ] as const
  return {
    protectedBy(subject) {
      const range = rangeOf(subject)
      for (const [reason, touches] of guards) if (touches(range)) return reason
      return null
    }
  }
}

/** All wider subjects that contain this one, from the narrowest to the widest that the protocol allows. */
export function* coveringCidrs(subject: Subject): Generator<Subject> {
  const { address, prefix } = cidrToBytes(subject)
  const widest = address.length === 4 ? PROTOCOL_LIMITS.minPrefixV4 : PROTOCOL_LIMITS.minPrefixV6
  for (let wider = prefix - 1; wider >= widest; wider--) {
    yield cidrFromBytes({ address, prefix: wider }) as Subject
  }
}
