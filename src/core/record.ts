/**
 * How much trust a friend's record speaks for. Only a suggestion: an operator decides.
 *
 * The record knows two things for sure: words that we saw confirmed by ourselves, and words that the operator, the
 * allowlist or our own addresses contradict. The rest, attackers that never came to us, says nothing. So the share of the
 * confirmed among these two is estimated, and a short record has to be estimated with care: the lower end of Wilson's
 * score interval at 95 % (E. B. Wilson, 1927, "Probable inference, the law of succession, and statistical inference").
 */
import { ONE, type Ppm } from './report.ts'

export interface Judged {
  /** Subjects that we have banned ourselves. */
  readonly confirmed: number
  /** Subjects that the operator, the allowlist or an address of ours contradicts. */
  readonly disputed: number
}

/** Judged words below which there is no opinion. */
export const RECORD_MIN = 10
/** Nobody's word is to be believed blindly. */
export const SUGGESTED_MAX: Ppm = 950_000
/** Suggestions are rounded down to 5 %: more would look like precision. */
const STEP: Ppm = 50_000
/** The normal distribution's quantile for 95 %, two-sided. */
const Z = 1.96

/** Null: the record is too short to say. */
export function suggestTrust({ confirmed, disputed }: Judged): Ppm | null {
  const n = confirmed + disputed
  if (n < RECORD_MIN) return null
  const share = confirmed / n
  const middle = share + Z ** 2 / (2 * n)
  const spread = Z * Math.sqrt((share * (1 - share)) / n + Z ** 2 / (4 * n ** 2))
  const lower = Math.max(0, (middle - spread) / (1 + Z ** 2 / n))
  return Math.min(SUGGESTED_MAX, Math.floor((lower * ONE) / STEP) * STEP)
}
