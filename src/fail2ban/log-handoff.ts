/**
 * The hand-off by the watched log: writes the outbox, and again, in time, every ban that should last.
 *
 * It can't ask whether fail2ban has read a line. So it writes all of them again when there is reason for doubt: the file
 * was exchanged, fail2ban was started, or the mesh jail's own ban time comes to its end. Which bans that are it finds on
 * walks through all that are wanted, a slice in each turn of the event loop; after a long walk it rests longer.
 */
import { ok, type Result } from '../core/result.ts'
import { createLoop, type Schedule } from './loop.ts'
import type { Handoff, Outbox, Wanted, WantedNow } from './outbox.ts'
import type { LogEntry, WatchedLog } from './watched-log.ts'

export const LOG_HANDOFF = {
  /** Lines in one write, and bans looked at in one turn of the event loop. */
  batch: 500,
  /** Seconds after which a ban is written again. The shipped jail's ban time is 3600 (files/jail.d/banmesh.conf). */
  renewSeconds: 45 * 60,
  /** Milliseconds between two looks at the file and at fail2ban's socket, and at least between two walks. */
  lookMs: 15_000,
  /** A walk is followed by a rest so many times as long. */
  rest: 100,
  /** Milliseconds that fail2ban may need for a line. Lines that are older were read before the file was exchanged. */
  readMs: 10_000
} as const

export interface LogHandoffOptions {
  readonly log: WatchedLog
  readonly outbox: Outbox
  readonly wanted: WantedNow
  /** Changes when fail2ban is started; null if it can't be seen (`fail2banInstance`). */
  readonly instance: () => string | null
  /** Unix ms. */
  readonly now: () => number
  readonly schedule: Schedule
  readonly renewSeconds?: number
  readonly lookMs?: number
}

export function createLogHandoff(options: LogHandoffOptions): Handoff {
  const { log, outbox, wanted, instance, now, schedule } = options
  const { renewSeconds = LOG_HANDOFF.renewSeconds, lookMs = LOG_HANDOFF.lookMs } = options
  /** When (Unix ms) each ban was written last, and the last walk that met it. Empty at the start: all is written. */
  const written = new Map<string, { at: number; walk: number }>()
  let seen = instance()
  let lookedAt = now()
  let walk: Walk | null = null
  let walks = 0
  let walkAt = Number.NEGATIVE_INFINITY

  /** Remembers the bans as written, unless the file was exchanged: then whatever fail2ban may have missed is written again. */
  function write(entries: readonly LogEntry[]): Result<void, string> {
    const since = lookedAt
    const result = log.write(entries)
    if (!result.ok) return result
    lookedAt = now()
    for (const { event, ip } of entries) {
      if (event === 'ban') written.set(ip, { at: lookedAt, walk: walks })
      else written.delete(ip)
    }
    if (result.value.renewed) {
      for (const [subject, { at }] of written) if (at >= since - LOG_HANDOFF.readMs) written.delete(subject)
      // What is written meanwhile goes into the new file.
      if (walk === null) walkAt = Number.NEGATIVE_INFINITY
      else walk.again = true
    }
    return ok(undefined)
  }

  function drain(): Result<void, string> {
    const entries = outbox.pending('log', LOG_HANDOFF.batch)
    const result = write(entries.map((entry) => lineOf(entry, entry.action)))
    if (result.ok) outbox.done('log', entries)
    return result
  }

  /** Whether a walk is under way or has to be begun. */
  function isTimeToWalk(): boolean {
    const current = instance()
    if (current !== null && current !== seen) {
      seen = current
      written.clear()
      walk = null
      walkAt = Number.NEGATIVE_INFINITY
    }
    // Also if the clock was set back.
    return walk !== null || now() >= walkAt || now() < walkAt - LONGEST_REST_MS
  }

  /** Looks at the next slice, and writes the bans in it whose time has come. */
  function goOn(): Result<void, string> {
    const begun = now()
    walk ??= { bans: wanted()[Symbol.iterator](), number: ++walks, tookMs: 0, again: false }
    const due: Wanted[] = []
    let ended = false
    for (let looked = 0; looked < LOG_HANDOFF.batch && !ended; looked++) {
      const next = walk.bans.next()
      ended = next.done === true
      if (next.done === true || next.value.until * 1000 <= begun) continue
      const known = written.get(next.value.subject)
      // Also if the clock was set back.
      if (known === undefined || Math.abs(begun - known.at) >= renewSeconds * 1000) due.push(next.value)
      else known.walk = walk.number
    }
    if (due.length > 0) {
      const result = write(due.map((ban) => lineOf(ban, 'ban')))
      if (!result.ok) {
        walk = null
        return result
      }
    }
    walk.tookMs += Math.max(0, now() - begun)
    if (!ended) return ok(undefined)
    // Not met: not wanted any more.
    for (const [subject, { walk: met }] of written) if (met < walk.number) written.delete(subject)
    const restMs = walk.again ? 0 : walk.tookMs * LOG_HANDOFF.rest
    walkAt = now() + Math.min(LONGEST_REST_MS, Math.max(lookMs, restMs))
    walk = null
    return ok(undefined)
  }

  const loop = createLoop({
    schedule,
    work: async () => {
      const drained = drain()
      if (!drained.ok) return drained
      if (outbox.count('log') > 0) return ok(0)
      if (isTimeToWalk()) {
        const went = goOn()
        if (!went.ok) return went
      }
      return ok(walk === null ? Math.max(0, Math.min(lookMs, walkAt - now())) : 0)
    }
  })
  return {
    ...loop,
    view: () => ({ pending: outbox.count('log'), lastError: loop.lastError() }),
    async stop() {
      await loop.stop()
      log.close()
    }
  }
}

/** A walk through all bans that are wanted. */
interface Walk {
  readonly bans: Iterator<Wanted>
  readonly number: number
  /** Milliseconds of work so far. */
  tookMs: number
  /** The file was exchanged meanwhile: bans behind us have to be written again. */
  again: boolean
}

/** Well within what a renewal is ahead of the end of the jail's ban time. */
const LONGEST_REST_MS = 5 * 60_000

function lineOf({ subject, jail, until, score, origins }: Wanted, event: 'ban' | 'unban'): LogEntry {
  return { event, ip: subject, jail, until, score, origins }
}
