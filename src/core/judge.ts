/** What this node concludes about one subject from all the evidence that it has, and until when. */
import type { Evidence, EvidencePath, Vote } from './evidence.ts'
import { flowReaches, flowScore } from './flow.ts'
import type { ProtectionReason } from './protection.ts'
import type { PeerId, Ppm } from './report.ts'
import type { Subject } from './subject.ts'
import { sumScore } from './sum.ts'
import { confidence } from './trust.ts'

export interface Policy {
  readonly rule: 'flow' | 'sum'
  /** The score that accepts, unless a jail has one of its own. */
  readonly threshold: Ppm
  /** Distinct first-hop friends that must stand behind an acceptance. */
  readonly quorum: number
  /** No claim counts longer than this after it was issued; a renewed claim begins anew. */
  readonly maxBanTimeSeconds: number
  /** By remote jail; `*` is for all that are not named, and without it these are accepted like any. */
  readonly jails: ReadonlyMap<string, JailPolicy>
}

export interface JailPolicy {
  readonly accept: boolean
  /** Null: the policy's. */
  readonly threshold: Ppm | null
  /** The local jail for it. Null: the hand-off's own. */
  readonly jail: string | null
}

type VerdictReason =
  | 'accepted'
  | 'below-threshold'
  /** The score would do, but too few friends stand behind it. */
  | 'below-quorum'
  | 'no-evidence'
  /** Only what observed friends say would make it accepted. */
  | 'observed'
  | ProtectionReason

/**
 * `score`, `threshold`, `origins`, `friends` and the jails describe the evidence that the reason is about: what counted
 * towards the threshold that was met; else, observed friends' included, towards the one that was missed by least.
 */
export interface Verdict {
  readonly subject: Subject
  readonly score: Ppm
  /** The one that was met, or that was missed by least. */
  readonly threshold: Ppm
  readonly accepted: boolean
  readonly reason: VerdictReason
  /**
   * Unix seconds. Accepted: when the evidence that is left by then no longer suffices. Not accepted: when the last
   * evidence ends. Null without evidence.
   */
  readonly until: number | null
  /** Unix seconds at which the first evidence ends: before that, time alone changes nothing. Null without evidence. */
  readonly reviewAt: number | null
  /** Distinct origins. */
  readonly origins: number
  /** Distinct first-hop friends. */
  readonly friends: number
  /** The remote jail of the strongest evidence; null without evidence. */
  readonly remoteJail: string | null
  /** The local jail that the policy names for it; null if it names none. */
  readonly jail: string | null
}

export interface Question {
  readonly subject: Subject
  /** Others' claims, also ended ones. Our own need no judgement. */
  readonly evidence: readonly Evidence[]
  readonly policy: Policy
  readonly protectedBy: ProtectionReason | null
  /** Unix ms. */
  readonly now: number
}

/** A live claim that the policy accepts, with those of its paths that carry anything. */
interface Claim {
  readonly origin: PeerId
  readonly jail: string
  readonly end: number
  readonly threshold: Ppm
  readonly paths: readonly EvidencePath[]
}

interface Assessment {
  /** Those that count towards the threshold. */
  readonly claims: readonly Claim[]
  readonly threshold: Ppm
  readonly score: Ppm
  readonly outcome: 'accepted' | 'below-quorum' | 'below-threshold'
}

const ANY_JAIL: JailPolicy = { accept: true, threshold: null, jail: null }

/**
 * Jails may have thresholds of their own. Evidence counts towards a threshold T if its jail's own is not above T, and
 * the subject is accepted if, for one of these thresholds, the evidence that counts towards it reaches it. With a
 * single threshold that is the plain rule; with more, a jail that we believe less needs more, and never spoils what
 * others prove.
 */
export function judge({ subject, evidence, policy, protectedBy, now }: Question): Verdict {
  const claims = evidence.flatMap((item) => claimOf(item, policy, now) ?? [])
  const acting = withoutObserved(claims)
  let assessment = assess(acting, policy)
  let reason: VerdictReason
  let until: number | null = null
  const accepted = protectedBy === null && assessment.outcome === 'accepted'
  if (accepted) {
    reason = 'accepted'
    until = lastsUntil(acting, (left) => suffices(left, policy))
  } else {
    if (acting !== claims) assessment = assess(claims, policy)
    reason = protectedBy ?? heldBecause(assessment)
    for (const { end } of claims) until = Math.max(until ?? end, end)
  }
  const strongest = strongestOf(assessment.claims)
  return {
    subject,
    score: assessment.score,
    threshold: assessment.threshold,
    accepted,
    reason,
    until,
    reviewAt: claims.length === 0 ? null : claims.reduce((first, { end }) => Math.min(first, end), Infinity),
    origins: new Set(assessment.claims.map(({ origin }) => origin)).size,
    friends: friendsOf(assessment.claims),
    remoteJail: strongest?.jail ?? null,
    jail: strongest === null ? null : jailPolicyOf(strongest.jail, policy).jail
  }
}

/**
 * Only asked about evidence that has not led to an acceptance: if it would, then because some of it is only observed.
 */
function heldBecause({ claims, outcome }: Assessment): VerdictReason {
  if (claims.length === 0) return 'no-evidence'
  return outcome === 'accepted' ? 'observed' : outcome
}

function jailPolicyOf(jail: string, { jails }: Policy): JailPolicy {
  return jails.get(jail) ?? jails.get('*') ?? ANY_JAIL
}

function claimOf({ origin, jail, until, issuedAt, paths }: Evidence, policy: Policy, now: number): Claim | null {
  const end = Math.min(until, Math.floor(issuedAt / 1000) + policy.maxBanTimeSeconds)
  if (end * 1000 <= now) return null
  const { accept, threshold } = jailPolicyOf(jail, policy)
  if (!accept) return null
  const taken = (path: EvidencePath) => confidence(path) > 0 && (path.jails.includes('*') || path.jails.includes(jail))
  const carrying = paths.every(taken) ? paths : paths.filter(taken)
  return carrying.length === 0 ? null : { origin, jail, end, threshold: threshold ?? policy.threshold, paths: carrying }
}

/** The same array if no friend is observed. */
function withoutObserved(claims: readonly Claim[]): readonly Claim[] {
  if (!claims.some(({ paths }) => paths.some(({ observe }) => observe))) return claims
  return claims
    .map((claim) => ({ ...claim, paths: claim.paths.filter(({ observe }) => !observe) }))
    .filter(({ paths }) => paths.length > 0)
}

/** The threshold that is met or, if none is, the one that is missed by least, and how. */
function assess(claims: readonly Claim[], policy: Policy): Assessment {
  let nearest: Assessment | null = null
  for (const threshold of thresholdsOf(claims, policy)) {
    const counting = claims.filter((claim) => claim.threshold <= threshold)
    const score = (policy.rule === 'flow' ? flowScore : sumScore)(votesOf(counting))
    if (score < threshold || score === 0) {
      const missedByLess =
        nearest === null ||
        (nearest.outcome === 'below-threshold' && threshold - score < nearest.threshold - nearest.score)
      if (missedByLess) nearest = { claims: counting, threshold, score, outcome: 'below-threshold' }
    } else if (policy.quorum > 1 && friendsOf(counting) < policy.quorum) {
      if (nearest?.outcome !== 'below-quorum') nearest = { claims: counting, threshold, score, outcome: 'below-quorum' }
    } else {
      return { claims: counting, threshold, score, outcome: 'accepted' }
    }
  }
  return nearest!
}

/** Whether the assessment would be an acceptance. */
function suffices(claims: readonly Claim[], policy: Policy): boolean {
  if (claims.length === 0) return false
  return thresholdsOf(claims, policy).some((threshold) => {
    const counting = claims.filter((claim) => claim.threshold <= threshold)
    if (friendsOf(counting) < policy.quorum) return false
    // A threshold of zero is no acceptance of nothing.
    const least = Math.max(threshold, 1)
    const votes = votesOf(counting)
    return policy.rule === 'flow' ? flowReaches(votes, least) : sumScore(votes) >= least
  })
}

/** Ascending; the policy's alone if there is no evidence. */
function thresholdsOf(claims: readonly Claim[], policy: Policy): readonly Ppm[] {
  const first = claims[0]?.threshold ?? policy.threshold
  if (claims.every(({ threshold }) => threshold === first)) return [first]
  return [...new Set(claims.map(({ threshold }) => threshold))].sort((a, b) => a - b)
}

/** One origin has one vote, in however many jails it bans the subject. */
function votesOf(claims: readonly Claim[]): readonly Vote[] {
  const byOrigin = Map.groupBy(claims, ({ origin }) => origin)
  if (byOrigin.size === claims.length) return claims
  return Array.from(byOrigin, ([origin, group]) => ({ origin, paths: group.flatMap(({ paths }) => paths) }))
}

function friendsOf(claims: readonly Claim[]): number {
  const friends = new Set<PeerId>()
  for (const { paths } of claims) for (const { friend } of paths) friends.add(friend)
  return friends.size
}

/**
 * The first end of a claim after which what is left does not hold. Less evidence never holds better, so halving finds
 * it.
 */
function lastsUntil(claims: readonly Claim[], holds: (left: readonly Claim[]) => boolean): number {
  const ends = [...new Set(claims.map(({ end }) => end))].sort((a, b) => a - b)
  let low = 0
  let high = ends.length - 1
  while (low < high) {
    const middle = (low + high) >>> 1
    if (holds(claims.filter(({ end }) => end > ends[middle]!))) low = middle + 1
    else high = middle
  }
  return ends[low]!
}

/** The claim with the most trust on its best way; of equal ones the first by jail, for the order must not matter. */
function strongestOf(claims: readonly Claim[]): Claim | null {
  let strongest: Claim | null = null
  let most = 0
  for (const claim of claims) {
    for (const path of claim.paths) {
      const weight = confidence(path)
      if (strongest !== null && (weight < most || (weight === most && claim.jail >= strongest.jail))) continue
      strongest = claim
      most = weight
    }
  }
  return strongest
}
