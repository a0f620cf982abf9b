/**
 * Keeps the verdicts true: gathers a subject's evidence from the ledger, lets `core` judge it, adds our own claims, and
 * puts what changed into the verdict table and the outbox. Runs inside the transaction of `ingest`.
 */
import type { Evidence } from '../core/evidence.ts'
import { judge, type Policy, type Verdict } from '../core/judge.ts'
import type { ProtectionReason } from '../core/protection.ts'
import { ONE, type PeerId } from '../core/report.ts'
import type { Subject } from '../core/subject.ts'
import { confidence } from '../core/trust.ts'
import type { Holds } from '../store/holds.ts'
import type { Ledger, StoredClaim } from '../store/ledger.ts'
import type { Outbox, Target } from '../store/outbox.ts'
import type { StoredVerdict, Verdicts } from '../store/verdicts.ts'
import { createCrowds } from './crowds.ts'
import type { Friends } from './friends.ts'

/** Where no claim names a jail; no verdict is kept without one. */
const UNKNOWN_JAIL = 'unknown'

export interface JudgingOptions {
  readonly ledger: Ledger
  readonly verdicts: Verdicts
  readonly outbox: Outbox
  readonly friends: Friends
  readonly holds: Pick<Holds, 'paused' | 'isFlushed' | 'forget'>
  /** The live policy. */
  policy(): Policy
  protectedBy(subject: Subject): ProtectionReason | null
  /** Claims about one subject that one friend may bring. */
  claimsPerSubject(): number
  /** The hand-offs that are turned on; none in observe mode. */
  targets(): readonly Target[]
  /** Whether this hand-off is for that verdict. Default: each is for all. */
  takes?(target: Target, verdict: StoredVerdict): boolean
  /** Whether this hand-off has to hear of every new `until`. Default: none has. */
  followsUntil?(target: Target): boolean
  now(): number
  /** A verdict that has changed, was made (`before` is null) or has ended (`after` is null). */
  changed(subject: Subject, before: StoredVerdict | null, after: StoredVerdict | null): void
}

export interface Judging {
  /** Returns how many claims it looked at. */
  review(subject: Subject): number
  /** Whether a friend has brought so many claims about a subject that one more would change nothing. */
  isCrowded(subject: Subject, friend: PeerId): boolean
  /** What the node thinks about a subject now, with all that stands behind it. */
  explain(subject: Subject): { verdict: Verdict; claims: readonly StoredClaim[]; stored: StoredVerdict | null }
}

export function createJudging(options: JudgingOptions): Judging {
  const { ledger, verdicts, outbox, friends, holds, takes = () => true, followsUntil = () => false } = options
  const crowds = createCrowds()

  function explain(subject: Subject) {
    const now = options.now()
    const claims = ledger.bans(subject, Math.floor(now / 1000))
    const evidence = claims.filter(({ own }) => own === null).map((claim) => toEvidence(claim, friends))
    const protectedBy = options.protectedBy(subject)
    const verdict = judge({ subject, evidence, policy: options.policy(), protectedBy, now })
    return { verdict, claims, stored: combine(subject, verdict, claims, protectedBy) }
  }

  function review(subject: Subject): number {
    const claims = reviewed(subject)
    crowds.note(subject, claims)
    return claims.length + 1
  }

  function reviewed(subject: Subject): readonly StoredClaim[] {
    const before = verdicts.get(subject)
    const { verdict, claims, stored } = explain(subject)
    if (!verdict.accepted) holds.forget(subject)
    const held = stored?.handOff === true && isHeldBack(subject, before?.handOff ?? false, claims)
    const after = stored === null || !held ? stored : { ...stored, handOff: false }
    if (after === null) {
      if (before === null) return claims
      verdicts.remove(subject)
    } else {
      if (before !== null && sameVerdict(before, after)) return claims
      verdicts.put(after)
    }
    tell(before, after, claims)
    options.changed(subject, before, after)
    return claims
  }

  /**
   * A pause lets nothing new through, and leaves what is banned as it is until its end. A flush takes back a ban of the
   * mesh until its verdict has ended; what the operator bans by command is none.
   */
  function isHeldBack(subject: Subject, isHandedOver: boolean, claims: readonly StoredClaim[]): boolean {
    if (holds.paused() && !isHandedOver) return true
    return holds.isFlushed(subject) && !claims.some(({ own }) => own === 'command')
  }

  /** A ban is handed over once, however many reports follow; its end is handed over when the verdict ends. */
  function tell(before: StoredVerdict | null, after: StoredVerdict | null, claims: readonly StoredClaim[]): void {
    if (before?.handOff !== true && after?.handOff !== true) return
    for (const target of options.targets()) {
      const isFor = (verdict: StoredVerdict | null) => verdict?.handOff === true && takes(target, verdict)
      const [had, wanted] = [isFor(before), isFor(after)]
      const moved = had && wanted && before!.until !== after!.until && followsUntil(target)
      if (had === wanted && !moved) continue
      const { subject, until, jail, score, origins } = (wanted ? after : before)!
      const source = sourceOf(after, claims, friends)
      outbox.put(target, { subject, action: wanted ? 'ban' : 'unban', until, jail, score, origins, source })
    }
  }

  return { review, explain, isCrowded: (subject, friend) => crowds.of(subject, friend) >= options.claimsPerSubject() }
}

function toEvidence({ origin, jail, until, issuedAt, paths }: StoredClaim, friends: Friends): Evidence {
  const known = paths.flatMap(({ friend: id, hops }) => {
    const friend = friends.get(id)
    if (friend === undefined || friend.paused) return []
    return [{ friend: friend.id, trust: friend.trust, hops, observe: friend.observe, jails: friend.jails }]
  })
  return { origin, jail, until, issuedAt, paths: known }
}

/**
 * Our own claims need no verdict: we believe ourselves. What the operator banned by command is handed over like a verdict,
 * unless the operator has allowed or unbanned it since: then it is held with that reason. (Not if it has become a friend's
 * address: that is for others to bring about.) What our fail2ban reported it has already. Null if there is nothing to keep.
 */
function combine(
  subject: Subject,
  verdict: Verdict,
  claims: readonly StoredClaim[],
  protectedBy: ProtectionReason | null
): StoredVerdict | null {
  const own = claims.filter((claim) => claim.own !== null)
  if (own.length === 0 && verdict.origins === 0) return null
  const isTakenBack = protectedBy === 'allowlisted' || protectedBy === 'vetoed'
  const believed = own.filter((claim) => claim.own === 'fail2ban' || !isTakenBack)
  const ends = (believed.length > 0 ? believed : own).map(({ until }) => until)
  const mesh = verdict.accepted ? (verdict.until ?? 0) : 0
  return {
    subject,
    score: own.length > 0 ? ONE : verdict.score,
    accepted: believed.length > 0 || verdict.accepted,
    until: own.length > 0 ? Math.max(mesh, ...ends) : (verdict.until ?? 0),
    reviewAt: Math.min(verdict.reviewAt ?? Infinity, ...ends),
    origins: verdict.origins + (own.length > 0 ? 1 : 0),
    jail: verdict.remoteJail ?? own[0]?.jail ?? UNKNOWN_JAIL,
    localJail: verdict.accepted ? verdict.jail : null,
    reason: believed.length > 0 ? 'own' : verdict.reason,
    own: own.length > 0,
    handOff: verdict.accepted || believed.some((claim) => claim.own === 'command')
  }
}

/** Whose word a change is: ours, that of the friend with the most trust behind it, or nobody's that is known any more. */
function sourceOf(after: StoredVerdict | null, claims: readonly StoredClaim[], friends: Friends): string {
  if (after?.own === true || after?.reason === 'vetoed') return OURS
  let strongest = ENDED
  let most = 0
  for (const { friend: id, hops } of claims.flatMap(({ paths }) => paths)) {
    const sure = confidence({ friend: id, trust: friends.get(id)?.trust ?? 0, hops })
    if (sure <= most) continue
    strongest = id
    most = sure
  }
  return strongest
}

const OURS = ''
const ENDED = 'ended'

function sameVerdict(a: StoredVerdict, b: StoredVerdict): boolean {
  return (Object.keys(a) as (keyof StoredVerdict)[]).every((key) => a[key] === b[key])
}
