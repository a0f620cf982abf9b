/** What the hand-off needs of the ledger: narrow ports, which the daemon fills. */
import type { Ppm } from '../core/report.ts'
import type { Subject } from '../core/subject.ts'

/** Who has a queue of changes; of fail2ban's jails that we fill, each: `fail2ban` is the one for all that has none. */
export type HandoffTarget = 'log' | 'fail2ban' | `fail2ban:${string}` | 'nftables' | 'exec'

/** A verdict that is accepted and enforced now. */
export interface Wanted {
  readonly subject: Subject
  /** Unix seconds at which the ban has to end. */
  readonly until: number
  readonly jail: string
  readonly score: Ppm
  readonly origins: number
}

export interface OutboxEntry extends Wanted {
  /** Identifies this change, so that `done` leaves a newer one about the same subject alone. */
  readonly sequence: number
  readonly action: 'ban' | 'unban'
}

/**
 * The changes that a target has not taken yet, persisted: they are handed over at least once, those of one
 * source in the order of their sequence, and it does no harm to repeat them. At most one change per subject and target is pending: the newest. Every
 * ban has its unban queued when the verdict ends, is vetoed or is paused. `nftables` also hears of every new `until`, by
 * another ban.
 */
export interface Outbox {
  /** The oldest ones of each source, in the order of their sequence. */
  pending(target: HandoffTarget, limit: number): readonly OutboxEntry[]
  done(target: HandoffTarget, entries: readonly OutboxEntry[]): void
  count(target: HandoffTarget): number
}

/** Everything that should be banned now, for the loops that compare. Called often: an iteration, not a copy. */
export type WantedNow = () => Iterable<Wanted>

export interface Handoff {
  start(): void
  /** Something was put into the outbox. */
  kick(): void
  view(): { readonly pending: number; readonly lastError: string | null }
  /** Resolves when nothing runs any more. What is pending stays in the outbox. */
  stop(): Promise<void>
}
