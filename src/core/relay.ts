/** Whether a report goes on to our own friends: every relay costs each of them a message, so it has to be worth one. */
import type { Ppm } from './report.ts'

/**
 * A better path for a report that we have relayed already goes out again only if it is better by more than this,
 * relatively.
 */
const WORTHWHILE_PERCENT = 5

export interface RelayQuestion {
  /** Our confidence in the best path that we have. */
  readonly confidence: Ppm
  /** What it was when we last relayed this report; null if we never did. */
  readonly relayedConfidence: Ppm | null
  /** How many hops that path has, without ours. */
  readonly hops: number
  readonly maxHops: number
  /** The least confidence that is passed on. */
  readonly relayFloor: Ppm
}

export function shouldRelay({ confidence, relayedConfidence, hops, maxHops, relayFloor }: RelayQuestion): boolean {
  if (confidence === 0 || confidence < relayFloor || hops + 1 > maxHops) return false
  return relayedConfidence === null || confidence * 100 > relayedConfidence * (100 + WORTHWHILE_PERCENT)
}
