/**
 * How much each friend may bring: reports and claims a minute, sync sessions a minute, each with a burst. What is refused,
 * sync brings later. A friend that goes on beyond its rate, or sends junk, trips its breaker: it is paused by itself for a
 * while, and then may try again.
 */
import { CLOSED, isOpen, offend, type BreakerRule, type BreakerState } from '../core/breaker.ts'
import { admit, RESTED, type RateLimit, type RateState } from '../core/rate.ts'
import type { PeerId } from '../core/report.ts'
import type { Limits } from './config-limits.ts'
import { gossipVerdict, type Outcome } from './outcome.ts'

export interface AdmissionOptions {
  limits(): Limits
  /** Unix ms. */
  now(): number
  /** A friend's breaker has tripped; `until` in Unix ms. */
  tripped(friend: PeerId, until: number): void
}

export interface Admission {
  /** Whether a friend may bring a report that counts for so many claims now. */
  admit(friend: PeerId, claims: number): boolean
  /** Whether a friend may open a sync session now; else it is an offence. */
  admitSync(friend: PeerId): boolean
  /** What became of something that a friend sent by itself, and not because we asked again. */
  judge(friend: PeerId, outcome: Outcome): void
  /** Unix ms until which a friend is paused by its breaker, or null. */
  pausedUntil(friend: PeerId): number | null
  /** Forgets what the friend did: the operator says that it is fine. */
  forgive(friend: PeerId): void
}

interface Used {
  reports: RateState
  claims: RateState
  syncs: RateState
  breaker: BreakerState
}

const HOUR_MS = 3600 * 1000
const FRESH: Used = { reports: RESTED, claims: RESTED, syncs: RESTED, breaker: CLOSED }

export function createAdmission({ limits, now, tripped }: AdmissionOptions): Admission {
  // Only friends get this far, so the operator bounds the map.
  const used = new Map<PeerId, Used>()

  function change(friend: PeerId, parts: Partial<Used>): void {
    used.set(friend, { ...(used.get(friend) ?? FRESH), ...parts })
  }

  function rule(): BreakerRule {
    const { breakerForgiven, breakerSeconds } = limits()
    return {
      forgiven: { perSecond: breakerForgiven / 60, burst: breakerForgiven },
      firstMs: breakerSeconds * 1000,
      longestMs: HOUR_MS,
      forgetMs: HOUR_MS
    }
  }

  function blame(friend: PeerId): void {
    const { breaker } = used.get(friend) ?? FRESH
    const after = offend(breaker, rule(), now())
    change(friend, { breaker: after })
    if (after.until !== breaker.until) tripped(friend, after.until)
  }

  return {
    admit(friend, claims) {
      const { friendReportsPerMinute, friendClaimsPerMinute, friendBurst, friendClaimBurst } = limits()
      const perReport: RateLimit = { perSecond: friendReportsPerMinute / 60, burst: friendBurst }
      const perClaim: RateLimit = { perSecond: friendClaimsPerMinute / 60, burst: friendClaimBurst }
      const before = used.get(friend) ?? FRESH
      const at = now()
      const reports = admit(before.reports, perReport, at)
      const costs = admit(before.claims, perClaim, at, claims)
      if (!reports.admitted || !costs.admitted) return false
      change(friend, { reports: reports.state, claims: costs.state })
      return true
    },
    admitSync(friend) {
      const { friendSyncsPerMinute: perMinute } = limits()
      const syncs = admit((used.get(friend) ?? FRESH).syncs, { perSecond: perMinute / 60, burst: perMinute }, now())
      if (syncs.admitted) change(friend, { syncs: syncs.state })
      else blame(friend)
      return syncs.admitted
    },
    judge(friend, outcome) {
      if (outcome.kind !== 'refused') return
      const { reason } = outcome
      if (reason === 'over-rate' || gossipVerdict(outcome) === 'reject') blame(friend)
    },
    pausedUntil(friend) {
      const { breaker } = used.get(friend) ?? FRESH
      return isOpen(breaker, rule(), now()) ? breaker.until : null
    },
    forgive: (friend) => void used.delete(friend)
  }
}
