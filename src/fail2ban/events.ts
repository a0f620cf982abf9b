/**
 * What fail2ban's events mean for the mesh. fail2ban runs the same commands for different things:
 *
 * | what happened                         | what the action sees                                   | what it means     |
 * | ------------------------------------- | ------------------------------------------------------ | ----------------- |
 * | a ban                                 | ban                                                    | announce          |
 * | its true time (`bantime.increment`)   | prolong                                                | announce          |
 * | a ban restored at a start             | nothing (the action passes it over)                    | nothing           |
 * | `unbanip`                             | unban, before `time + banTime`                         | lift              |
 * | the natural end                       | unban, at or after `time + banTime`                    | nothing           |
 * | stop, restart, the action taken out   | flush (if there were bans), then stop                  | nothing           |
 * | `unban --all`, `reload --unban`       | flush, perhaps one for each family, and no stop        | lift all          |
 * | reload                                | nothing                                                | nothing           |
 *
 * So a flush is undecided until something else is heard from its jail, or for `FLUSH_SETTLE_MS`. All of it is a pure
 * function of the state, the event and the time at which the hook saw it; the state is a plain value, to be stored
 * together with what the decisions do.
 *
 * Two things look alike and are taken for a stop: `restart --unban` (the flush is followed by a stop), and a kill right
 * after `unban --all`.
 */
import { PROTOCOL_LIMITS } from '../core/limits.ts'
import { parseSubject, type Subject } from '../core/subject.ts'
import type { HookEvent } from './hook-event.ts'

/** Time from a flush to the stop that explains it, at most: in between the jail's other actions are flushed as well. */
export const FLUSH_SETTLE_MS = 10_000

export interface ShareRules {
  /** Jail names whose bans are shared; `*` is every jail. */
  readonly jails: readonly string[]
  /** Shorter bans are not shared. */
  readonly minBanTimeSeconds: number
  /** The longest time that one claim may state; a longer ban is announced for as long as that. */
  readonly maxBanTimeSeconds: number
  /** The jails that the hand-off fills. Nothing that happens there is announced, whoever gave them the action. */
  readonly meshJails: readonly string[]
}

export interface Announce {
  readonly kind: 'announce'
  readonly subject: Subject
  readonly jail: string
  /** Unix seconds. */
  readonly until: number
  /** Unix seconds at which fail2ban will end the ban, or null for never. After `until` where that was capped: renew then. */
  readonly endsAt: number | null
  readonly failures: number
}

export type Decision =
  | Announce
  | { readonly kind: 'lift'; readonly subject: Subject; readonly jail: string }
  /** Every claim of this jail that was announced up to now. */
  | { readonly kind: 'lift-all'; readonly jail: string }

/** Jails that were flushed, and when (Unix ms), of which nothing else has been heard yet. */
export type Flushes = readonly { readonly jail: string; readonly at: number }[]

export interface Decided {
  readonly flushes: Flushes
  /** To be carried out in this order. */
  readonly decisions: readonly Decision[]
}

/** `at`: Unix ms at which the hook saw the event. */
export function decide(flushes: Flushes, event: HookEvent, at: number, rules: ShareRules): Decided {
  const { jail } = event
  const unchanged = { flushes, decisions: [] }
  if (rules.meshJails.includes(jail) || !(rules.jails.includes('*') || rules.jails.includes(jail))) return unchanged
  const pending = flushes.some((flush) => flush.jail === jail)
  const others = pending ? flushes.filter((flush) => flush.jail !== jail) : flushes
  if (event.event === 'flush') return pending ? unchanged : { flushes: [...flushes, { jail, at }], decisions: [] }
  if (event.event === 'stop' || event.event === 'start') return { flushes: others, decisions: [] }
  // A prolongation runs beside the jail, and may come late in a stop; a jail that lives has sent a ban before it.
  if (event.event === 'prolong') return pending ? unchanged : { flushes, decisions: announce(event, at, rules) }
  // A jail that was stopped bans nothing: so the flush was the end of its bans.
  const lifted: Decision[] = pending ? [{ kind: 'lift-all', jail }] : []
  return {
    flushes: others,
    decisions: [...lifted, ...(event.event === 'ban' ? announce(event, at, rules) : lift(event, at))]
  }
}

/**
 * What the passing of time decides. To be called after all events that are known, the spooled ones included. `nextAt`:
 * Unix ms at which to call again, or null.
 */
export function settle(flushes: Flushes, now: number): Decided & { readonly nextAt: number | null } {
  // Both ways, so that a clock that was set back does not keep a flush open for long.
  const open = flushes.filter(({ at }) => Math.abs(now - at) < FLUSH_SETTLE_MS)
  return {
    flushes: open,
    decisions: flushes.filter((flush) => !open.includes(flush)).map(({ jail }) => ({ kind: 'lift-all', jail })),
    nextAt: open.length === 0 ? null : Math.min(...open.map(({ at }) => at + FLUSH_SETTLE_MS))
  }
}

function announce(event: HookEvent, at: number, rules: ShareRules): Announce[] {
  const { jail, time = 0, banTime = 0, failures = 0 } = event
  const subject = parseSubject(event.ip ?? '')
  if (!subject.ok) return []
  const nowSeconds = Math.floor(at / 1000)
  const endsAt = banTime === -1 ? null : time + banTime
  if (endsAt !== null && (banTime < rules.minBanTimeSeconds || endsAt <= nowSeconds)) return []
  const until = Math.min(endsAt ?? Number.POSITIVE_INFINITY, nowSeconds + rules.maxBanTimeSeconds)
  const counted = Math.min(failures, PROTOCOL_LIMITS.failures)
  return [{ kind: 'announce', subject: subject.value, jail, until, endsAt, failures: counted }]
}

function lift(event: HookEvent, at: number): Decision[] {
  const { jail, time = 0, banTime = 0 } = event
  const subject = parseSubject(event.ip ?? '')
  const natural = banTime !== -1 && time + banTime <= at / 1000
  return subject.ok && !natural ? [{ kind: 'lift', subject: subject.value, jail }] : []
}
