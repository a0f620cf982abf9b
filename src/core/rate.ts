/**
 * A rate limit by the generic cell rate algorithm (GCRA): as exact as a leaky bucket, with one number as its state and
 * no timer. Source: ITU-T I.371, annex A, the virtual scheduling algorithm.
 */

export interface RateLimit {
  /** What may pass in the long run. */
  readonly perSecond: number
  /** What may pass at once after a rest; whatever costs more never passes. */
  readonly burst: number
}

/** The theoretical arrival time, in microseconds: the moment at which all that has passed is paid for. */
export type RateState = number

export const RESTED: RateState = 0

export type Admission =
  | { readonly admitted: true; readonly state: RateState }
  | { readonly admitted: false; readonly state: RateState; readonly retryAfterMs: number }

/**
 * Asks for passage at `now` (ms). Integer microseconds inside, so that exactly `burst` passes and not one rounding
 * error less. If the clock was set back, so that more would have to be paid for than ever passes at once, it begins anew:
 * whoever keeps no state of a refusal would else be locked out until the old time has come again.
 */
export function admit(state: RateState, { perSecond, burst }: RateLimit, now: number, cost = 1): Admission {
  const nowUs = Math.floor(now * 1000)
  const unitUs = Math.ceil(1_000_000 / perSecond)
  const before = state > nowUs + burst * unitUs ? nowUs : Math.max(state, nowUs)
  const after = before + cost * unitUs
  const tooEarlyUs = after - burst * unitUs - nowUs
  if (tooEarlyUs <= 0) return { admitted: true, state: after }
  return { admitted: false, state: before, retryAfterMs: cost > burst ? Infinity : Math.ceil(tooEarlyUs / 1000) }
}
