/**
 * Reports, claims and hops: what travels, after decoding, as plain values. `wire/` turns bytes into these and back;
 * nothing here knows bytes, sockets or clocks.
 */
import type { Subject } from './subject.ts'

/** A libp2p peer ID in text (`12D3KooW...`): the Ed25519 public key of a node. */
export type PeerId = string & { readonly __brand: 'PeerId' }

/** sha256 of the report's bytes, in lower-case hex. */
export type ReportId = string & { readonly __brand: 'ReportId' }

/** A share of one in parts per million: 80 % is 800,000. All trust arithmetic is on these integers. */
export type Ppm = number

export const ONE: Ppm = 1_000_000

export interface Claim {
  readonly kind: 'ban' | 'unban'
  readonly subject: Subject
  /** Unix time in seconds at which the ban ends. An unban carries the `until` of the ban that it lifts. */
  readonly until: number
  /** The origin's fail2ban jail: `[A-Za-z0-9_.-]{1,64}`. */
  readonly jail: string
  /** Failed attempts that the origin counted. */
  readonly failures: number
}

export interface Report {
  readonly origin: PeerId
  /** Unix time in ms; strictly increasing per origin, also over its restarts. */
  readonly issuedAt: number
  /** 1 to 1,000, at most one per (subject, jail). */
  readonly claims: readonly Claim[]
}

/** One relay's statement: "I got this from the peer before me, whom I trust so much." */
export interface Hop {
  readonly peer: PeerId
  readonly trust: Ppm
}
