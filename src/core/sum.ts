/**
 * `rule: sum`, fail2ban-p2p's: each origin adds the trust along its best path, capped at certainty. For compatibility:
 * it counts identities, so one friend's inventions reach any threshold.
 */
import type { Vote } from './evidence.ts'
import { ONE, type Ppm } from './report.ts'
import { confidence } from './trust.ts'

export function sumScore(votes: readonly Vote[]): Ppm {
  return sumOf(votes.map(({ paths }) => ({ weight: Math.max(0, ...paths.map(confidence)) })))
}

/** By origin, its best way. */
export function sumOf(bests: readonly { readonly weight: Ppm }[]): Ppm {
  return Math.min(
    ONE,
    bests.reduce((total, { weight }) => total + weight, 0)
  )
}
