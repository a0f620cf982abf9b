/**
 * What a report must fulfil beyond its form and its signature before it may enter the ledger: `checkPath` looks at the
 * way it came, at every copy; `checkReport` at what its origin says, once per report.
 */
import { PROTOCOL_LIMITS } from './limits.ts'
import type { Hop, PeerId, Report, ReportId } from './report.ts'

export type PathRefusal =
  /** A friend brings back what we issued ourselves. */
  | 'own-origin'
  /** It came through us already. */
  | 'own-hop'
  /** Without hops it must come from its origin itself. */
  | 'wrong-origin'
  /** Its last hop must be the friend that sent it. */
  | 'wrong-last-hop'
  /** A peer relays twice, or the origin relays its own report. */
  | 'loop'
  | 'too-many-hops'

export type ReportRefusal =
  /** Issued later than our clock allows. */
  | 'future'
  /** No claim of it is live. */
  | 'expired'
  /** A claim lasts longer than a report may demand. */
  | 'ttl'
  /** Two claims about one subject and jail: it would be undefined which one holds. */
  | 'duplicate-claim'

export interface Passage {
  readonly origin: PeerId
  readonly hops: readonly Hop[]
  /** The friend that sent it; null if it is our own and has not travelled. */
  readonly from: PeerId | null
  readonly self: PeerId
  readonly maxHops: number
}

export function checkPath({ origin, hops, from, self, maxHops }: Passage): PathRefusal | null {
  if (from !== null && origin === self) return 'own-origin'
  if (hops.length > maxHops) return 'too-many-hops'
  if (hops.some(({ peer }) => peer === self)) return 'own-hop'
  const last = hops.at(-1)
  if (last === undefined) return origin === (from ?? self) ? null : 'wrong-origin'
  if (last.peer !== from) return 'wrong-last-hop'
  const occursBefore = (peer: PeerId, end: number) =>
    peer === origin || hops.findIndex((hop) => hop.peer === peer) < end
  return hops.some(({ peer }, i) => occursBefore(peer, i)) ? 'loop' : null
}

/** `now` is Unix ms. */
export function checkReport({ issuedAt, claims }: Report, now: number): ReportRefusal | null {
  if (issuedAt > now + PROTOCOL_LIMITS.clockSkewMs) return 'future'
  if (claims.some(({ until }) => until * 1000 > issuedAt + PROTOCOL_LIMITS.ttlSeconds * 1000)) return 'ttl'
  // Neither a canonical subject nor a jail's name contains a space.
  const registers = new Set(claims.map(({ subject, jail }) => `${subject} ${jail}`))
  if (registers.size < claims.length) return 'duplicate-claim'
  return claims.some(({ until }) => until * 1000 > now) ? null : 'expired'
}

/** What orders an origin's claims about one (subject, jail). */
export interface Issue {
  readonly issuedAt: number
  readonly id: ReportId
}

/** Last writer wins: whether a claim of report `a` replaces one of report `b` of the same origin. */
export function supersedes(a: Issue, b: Issue): boolean {
  return a.issuedAt === b.issuedAt ? a.id > b.id : a.issuedAt > b.issuedAt
}
