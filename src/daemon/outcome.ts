/** What became of a report that was handed to `ingest`, and the one place that turns it into gossipsub's words. */
import type { PathRefusal, ReportRefusal } from '../core/acceptance.ts'
import type { ReportId } from '../core/report.ts'
import type { Subject } from '../core/subject.ts'
import type { DecodeRefusal } from '../wire/codec.ts'

export type Refusal =
  | DecodeRefusal
  | PathRefusal
  | ReportRefusal
  | 'bad-signature'
  | 'not-a-friend'
  | 'paused'
  | 'over-rate'
  | 'over-quota'
  /** So many claims about this subject came from this friend that one more would change nothing. */
  | 'crowded'
  | 'queue-full'
  /** The friend's breaker has tripped: nothing of it is looked at for a while. */
  | 'breaker'
  | 'stale'
  | 'internal-error'

export type Outcome =
  | {
      /** New, verified and stored. */
      readonly kind: 'accepted'
      readonly reportId: ReportId
      /** Those whose registers it changed. */
      readonly subjects: readonly Subject[]
      /** Unix ms. */
      readonly issuedAt: number
      /** Between its origin and us, its origin among them. */
      readonly nodes: number
    }
  /** Known already; its path is remembered if it is news. */
  | { readonly kind: 'duplicate'; readonly reportId: ReportId }
  /** Nothing of it is kept. */
  | { readonly kind: 'refused'; readonly reason: Refusal }

/**
 * Refusals that an honest friend can run into: a clock that is off, a race, a limit, a newer version. Everything else shows
 * that the friend did not check what it passed on.
 */
const FORGIVEN: ReadonlySet<Refusal> = new Set<Refusal>([
  'not-a-friend',
  'paused',
  'over-rate',
  'over-quota',
  'crowded',
  'queue-full',
  'breaker',
  'stale',
  'internal-error',
  'unknown-version',
  'expired',
  'future',
  'own-origin',
  'own-hop',
  'too-many-hops'
])

/** Never `accept`: gossipsub would pass the raw message on, without our hop. */
export function gossipVerdict(outcome: Outcome): 'ignore' | 'reject' {
  return outcome.kind === 'refused' && !FORGIVEN.has(outcome.reason) ? 'reject' : 'ignore'
}

export function refused(reason: Refusal): Outcome {
  return { kind: 'refused', reason }
}
