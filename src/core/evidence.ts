/** Evidence: a live ban claim together with the paths by which it reached us. The input of every judgement. */
import type { Hop, PeerId, Ppm } from './report.ts'

export interface Path {
  /** The friend who handed the report to us; for a report without hops, its origin. */
  readonly friend: PeerId
  /** What we trust that friend. */
  readonly trust: Ppm
  /**
   * The relays' statements in the order of travel: the first is the one next to the origin, the last is the friend's.
   */
  readonly hops: readonly Hop[]
}

/**
 * A path with what we think of its friend. Paths by strangers, former and paused friends are left out before judging.
 */
export interface EvidencePath extends Path {
  /** Compute what it says, but accept nothing because of it. */
  readonly observe: boolean
  /** The jails whose claims we take from this friend; `*` is any. */
  readonly jails: readonly string[]
}

export interface Evidence {
  readonly origin: PeerId
  readonly jail: string
  /** Unix seconds at which this claim ends. */
  readonly until: number
  /** Unix ms at which the origin issued the report: what `maxBanTime` is counted from. */
  readonly issuedAt: number
  /** One best path per first-hop friend. */
  readonly paths: readonly EvidencePath[]
}

/** All that one origin says about one subject, in however many jails and reports, with every path by which it came. */
export interface Vote {
  readonly origin: PeerId
  readonly paths: readonly Path[]
}
