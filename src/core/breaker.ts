/**
 * A breaker: whoever offends for long is shut out for a while, and for longer each time. Single offences are forgiven by
 * and by (a rate limit, src/core/rate.ts), so that a burst, a race or a slow hour trips nothing.
 */
import { admit, RESTED, type RateLimit, type RateState } from './rate.ts'

export interface BreakerRule {
  /** Offences that are forgiven: in the long run, and at once. */
  readonly forgiven: RateLimit
  /** Milliseconds of the first time out; each further one is twice as long. */
  readonly firstMs: number
  readonly longestMs: number
  /** After so many milliseconds without another one, the next time out is a first one again. */
  readonly forgetMs: number
}

export interface BreakerState {
  readonly offences: RateState
  /** Unix ms at which the last time out ends or ended; 0 if there was none. */
  readonly until: number
  /** Times out in a row. */
  readonly trips: number
}

export const CLOSED: BreakerState = { offences: RESTED, until: 0, trips: 0 }

/** Whether it is shut out at `now` (Unix ms). A clock that was set back makes no time out longer than the longest. */
export function isOpen({ until }: BreakerState, { longestMs }: BreakerRule, now: number): boolean {
  return now < until && until - now <= longestMs
}

/** One more offence, `weight` of them. Its breaker is open afterwards if it was one too many. */
export function offend(state: BreakerState, rule: BreakerRule, now: number, weight = 1): BreakerState {
  if (isOpen(state, rule, now)) return state
  const { admitted, state: offences } = admit(state.offences, rule.forgiven, now, weight)
  if (admitted) return { ...state, offences }
  const trips = now - state.until > rule.forgetMs ? 0 : state.trips
  const outMs = Math.min(rule.longestMs, rule.firstMs * 2 ** trips)
  return { offences: RESTED, until: now + outMs, trips: trips + 1 }
}
