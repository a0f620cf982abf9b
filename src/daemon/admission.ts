/** How much each friend may bring: reports and claims a minute, each with a burst. What is refused, sync brings later. */
import { admit, RESTED, type RateLimit, type RateState } from '../core/rate.ts'
import type { PeerId } from '../core/report.ts'
import type { Limits } from './config-limits.ts'

export interface Admission {
  /** Whether a friend may bring a report that counts for so many claims now. */
  admit(friend: PeerId, claims: number): boolean
}

interface Used {
  reports: RateState
  claims: RateState
}

export function createAdmission(limits: () => Limits, now: () => number): Admission {
  // Only friends get this far, so the operator bounds the map.
  const used = new Map<PeerId, Used>()
  return {
    admit(friend, claims) {
      const { friendReportsPerMinute, friendClaimsPerMinute, friendBurst, friendClaimBurst } = limits()
      const perReport: RateLimit = { perSecond: friendReportsPerMinute / 60, burst: friendBurst }
      const perClaim: RateLimit = { perSecond: friendClaimsPerMinute / 60, burst: friendClaimBurst }
      const before = used.get(friend) ?? { reports: RESTED, claims: RESTED }
      const at = now()
      const reports = admit(before.reports, perReport, at)
      const costs = admit(before.claims, perClaim, at, claims)
      if (!reports.admitted || !costs.admitted) return false
      used.set(friend, { reports: reports.state, claims: costs.state })
      return true
    }
  }
}
