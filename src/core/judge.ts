/** What this node concludes about one subject from all the evidence that it has, and until when. */
import type { Evidence } from './evidence.ts'
import { canonically, collect, type Voice } from './ballot.ts'
import { reaches, scoreOf } from './flow.ts'
import { sorted } from './sorting.ts'
import { createTree, grow, type Tree } from './place.ts'
import type { ProtectionReason } from './protection.ts'
import type { Ppm } from './report.ts'
import type { Subject } from './subject.ts'
import { sumOf } from './sum.ts'

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

/** A live claim that the policy accepts. */
interface Claim {
  readonly jail: string
  readonly end: number
  readonly threshold: Ppm
}

/** A claim by one of its paths. */
interface ClaimVoice extends Voice {
  readonly claim: Claim
  readonly observe: boolean
}

interface Assessment {
  /** Those that count towards the threshold. */
  readonly voices: readonly ClaimVoice[]
  readonly threshold: Ppm
  readonly score: Ppm
  readonly origins: number
  readonly friends: number
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
  const tree = createTree()
  const voices = voicesOf(tree, evidence, policy, now)
  const acting = voices.every(({ observe }) => !observe) ? voices : voices.filter(({ observe }) => !observe)
  let assessment = assess(tree, acting, policy)
  let reason: VerdictReason
  let until: number | null = null
  const accepted = protectedBy === null && assessment.outcome === 'accepted'
  if (accepted) {
    reason = 'accepted'
    until = lastsUntil(acting, (left) => suffices(tree, left, policy))
  } else {
    if (acting !== voices) assessment = assess(tree, voices, policy)
    reason = protectedBy ?? heldBecause(assessment)
    for (const { claim } of voices) until = Math.max(until ?? claim.end, claim.end)
  }
  const strongest = strongestOf(assessment.voices)
  return {
    subject,
    score: assessment.score,
    threshold: assessment.threshold,
    accepted,
    reason,
    until,
    reviewAt: voices.length === 0 ? null : voices.reduce((first, { claim }) => Math.min(first, claim.end), Infinity),
    origins: assessment.origins,
    friends: assessment.friends,
    remoteJail: strongest?.jail ?? null,
    jail: strongest === null ? null : jailPolicyOf(strongest.jail, policy).jail
  }
}

/**
 * Only asked about evidence that has not led to an acceptance: if it would, then because some of it is only observed.
 */
function heldBecause({ voices, outcome }: Assessment): VerdictReason {
  if (voices.length === 0) return 'no-evidence'
  return outcome === 'accepted' ? 'observed' : outcome
}

function jailPolicyOf(jail: string, { jails }: Policy): JailPolicy {
  return jails.get(jail) ?? jails.get('*') ?? ANY_JAIL
}

/** Of live claims, by the paths that carry anything; in canonical order. */
function voicesOf(tree: Tree, evidence: readonly Evidence[], policy: Policy, now: number): readonly ClaimVoice[] {
  const voices: ClaimVoice[] = []
  for (const { origin, jail, until, issuedAt, paths } of evidence) {
    const end = Math.min(until, Math.floor(issuedAt / 1000) + policy.maxBanTimeSeconds)
    if (end * 1000 <= now) continue
    const { accept, threshold } = jailPolicyOf(jail, policy)
    if (!accept) continue
    const claim = { jail, end, threshold: threshold ?? policy.threshold }
    for (const path of paths) {
      if (!path.jails.includes('*') && !path.jails.includes(jail)) continue
      const way = grow(tree, path, origin)
      if (way.weight > 0) voices.push({ claim, way, observe: path.observe })
    }
  }
  return sorted(voices, canonically)
}

/** The threshold that is met or, if none is, the one that is missed by least, and how. */
function assess(tree: Tree, voices: readonly ClaimVoice[], policy: Policy): Assessment {
  let nearest: Assessment | null = null
  for (const threshold of thresholdsOf(voices, policy)) {
    const counting = towards(threshold, voices)
    const ballot = collect(tree, counting)
    const score = policy.rule === 'flow' ? scoreOf(ballot) : sumOf(ballot.votes)
    const origins = ballot.votes.length
    const friends = ballot.friends.length
    const found = { voices: counting, threshold, score, origins, friends }
    if (score < threshold || score === 0) {
      const missedByLess =
        nearest === null ||
        (nearest.outcome === 'below-threshold' && threshold - score < nearest.threshold - nearest.score)
      if (missedByLess) nearest = { ...found, outcome: 'below-threshold' }
    } else if (friends < policy.quorum) {
      if (nearest?.outcome !== 'below-quorum') nearest = { ...found, outcome: 'below-quorum' }
    } else {
      return { ...found, outcome: 'accepted' }
    }
  }
  return nearest!
}

/** Whether the assessment would be an acceptance. */
function suffices(tree: Tree, voices: readonly ClaimVoice[], policy: Policy): boolean {
  if (voices.length === 0) return false
  return thresholdsOf(voices, policy).some((threshold) => {
    const counting = towards(threshold, voices)
    if (policy.quorum > 1 && collect(tree, counting).friends.length < policy.quorum) return false
    // A threshold of zero is no acceptance of nothing.
    const least = Math.max(threshold, 1)
    return policy.rule === 'flow' ? reaches(tree, counting, least) : sumOf(collect(tree, counting).votes) >= least
  })
}

/** Ascending; the policy's alone if there is no evidence. */
function thresholdsOf(voices: readonly ClaimVoice[], policy: Policy): readonly Ppm[] {
  const first = voices[0]?.claim.threshold ?? policy.threshold
  if (voices.every(({ claim }) => claim.threshold === first)) return [first]
  return [...new Set(voices.map(({ claim }) => claim.threshold))].sort((a, b) => a - b)
}

function towards(threshold: Ppm, voices: readonly ClaimVoice[]): readonly ClaimVoice[] {
  const counts = ({ claim }: ClaimVoice) => claim.threshold <= threshold
  return voices.every(counts) ? voices : voices.filter(counts)
}

/**
 * The first end of a claim after which what is left does not hold. Less evidence never holds better, so halving finds
 * it.
 */
function lastsUntil(voices: readonly ClaimVoice[], holds: (left: readonly ClaimVoice[]) => boolean): number {
  const ends = sorted(
    voices.map(({ claim }) => claim.end),
    (a, b) => a - b
  )
  let low = 0
  let high = ends.length - 1
  while (low < high) {
    const middle = (low + high) >>> 1
    if (holds(voices.filter(({ claim }) => claim.end > ends[middle]!))) low = middle + 1
    else high = middle
  }
  return ends[low]!
}

/** The claim with the most trust on its way, which comes first; of equal ones the first by jail, for the order must not matter. */
function strongestOf(voices: readonly ClaimVoice[]): Claim | null {
  let strongest: ClaimVoice | null = null
  for (const voice of voices) {
    if (strongest !== null && voice.way.weight < strongest.way.weight) break
    if (strongest === null || voice.claim.jail < strongest.claim.jail) strongest = voice
  }
  return strongest?.claim ?? null
}
