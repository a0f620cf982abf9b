/**
 * Keeping our own word good as time goes by:
 * - a ban that lasts longer than one claim may is renewed before its claim ends;
 * - a ban that ended before an earlier word of ours would have is followed by a lift, for whoever missed it;
 * - what was said by a clock that was ahead, and that nobody takes therefore, is said again once the clock is right;
 * - thousands of small reports are said again in a few large ones, so that a new friend checks few signatures.
 */
import { PROTOCOL_LIMITS } from '../core/limits.ts'
import type { Claim } from '../core/report.ts'
import type { Subject } from '../core/subject.ts'
import type { Ledger } from '../store/ledger.ts'
import type { OwnClaim } from '../store/own-claims.ts'
import { liftOf, type Ours } from './ours.ts'

export interface OwnUpkeepOptions {
  readonly ledger: Ledger
  readonly ours: Ours
  /** Judges these anew. */
  review(subjects: readonly Subject[]): Promise<boolean>
  /** Seconds that a claim of ours lasts at most. */
  maxBanTime(): number
  /** Unix ms. */
  now(): number
}

export const OWN_UPKEEP = {
  /** Milliseconds by which our last word may be ahead of our clock. Below, friends take it when its time has come. */
  aheadMs: 24 * 3600 * 1000,
  /** Claims restated at a time: what fits into one report. */
  batch: 1000,
  /** A report with at most so many claims is small. */
  smallClaims: 10,
  /** So many small reports are left alone: new bans come one by one, and what is restated travels once more. */
  smallReports: 1000
} as const

export function createOwnUpkeep({ ledger, ours, review, maxBanTime, now }: OwnUpkeepOptions, bounds = OWN_UPKEEP) {
  /** Own words may have been forgotten. At the start that is not known. */
  let unsaid = true

  function restate(claims: readonly OwnClaim[], say: (claim: OwnClaim) => Claim): Promise<unknown> {
    return Promise.all(claims.map((claim) => ours.restate(claim, say(claim))))
  }

  return async (): Promise<void> => {
    while (ledger.issueClock.wasAhead(now() + bounds.aheadMs)) {
      unsaid = true
      if (!(await review(ledger.forgetOwnAfter(now() + bounds.aheadMs, now(), bounds.batch)))) return
    }
    const nowSeconds = Math.floor(now() / 1000)
    const until = nowSeconds + maxBanTime()
    const { ownClaims } = ledger
    if (unsaid) {
      const lost = ownClaims.unsaid(nowSeconds, bounds.batch)
      await restate(lost, (claim) => {
        const word = claim.kind === 'ban' ? claimOf(claim) : liftOf(claim)
        return { ...word, until: Math.min(word.until, nowSeconds + PROTOCOL_LIMITS.ttlSeconds) }
      })
      unsaid = lost.length === bounds.batch
    }
    const renewed = ownClaims.toRenew(nowSeconds + maxBanTime() / 2, nowSeconds, bounds.batch)
    await restate(renewed, (claim) => ({ ...claimOf(claim), until: Math.min(claim.endsAt, until) }))
    await restate(ownClaims.toLift(nowSeconds, bounds.batch), liftOf)
    if (ownClaims.smallReports(bounds.smallClaims) > bounds.smallReports) {
      await restate(ownClaims.inSmallReports(bounds.smallClaims, nowSeconds, bounds.batch), claimOf)
    }
    ownClaims.removeEnded(nowSeconds)
  }
}

function claimOf({ kind, subject, jail, until, failures }: OwnClaim): Claim {
  return { kind, subject, jail, until, failures }
}
