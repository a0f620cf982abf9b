/**
 * The hand-off by the watched log: writes the outbox, and again, in time, every ban that should last.
 *
 * It can't ask whether fail2ban has read a line. So it writes all of them again when there is reason for doubt: the file
 * was exchanged, fail2ban was started, or the mesh jail's own ban time comes to its end.
 */
import { ok, type Result } from '../core/result.ts'
import { createLoop, type Schedule } from './loop.ts'
import type { Handoff, Outbox, Wanted, WantedNow } from './outbox.ts'
import type { LogEntry, WatchedLog } from './watched-log.ts'

export const LOG_HANDOFF = {
  /** Lines in one write; other work of the daemon comes in between. */
  batch: 500,
  /** Seconds after which a ban is written again. The shipped jail's ban time is 3600 (files/jail.d/banmesh.conf). */
  renewSeconds: 45 * 60,
  /** Milliseconds between two looks at the file, at fail2ban's socket and at what has to be renewed. */
  lookMs: 15_000,
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
  /** When (Unix ms) each ban was written last. Empty at the start: then everything is written once more. */
  const written = new Map<string, number>()
  let seen = instance()
  let lookedAt = now()

  /** Remembers the bans as written, unless the file was exchanged: then whatever fail2ban may have missed is written again. */
  function write(entries: readonly LogEntry[]): Result<void, string> {
    const since = lookedAt
    const result = log.write(entries)
    if (!result.ok) return result
    lookedAt = now()
    for (const { event, ip } of entries) {
      if (event === 'ban') written.set(ip, lookedAt)
      else written.delete(ip)
    }
    if (result.value.renewed) {
      for (const [subject, at] of written) if (at >= since - LOG_HANDOFF.readMs) written.delete(subject)
    }
    return ok(undefined)
  }

  function drain(): Result<void, string> {
    const entries = outbox.pending('log', LOG_HANDOFF.batch)
    const result = write(entries.map((entry) => lineOf(entry, entry.action)))
    if (result.ok) outbox.done('log', entries)
    return result
  }

  /** Writes the bans whose time has come, a batch at most; true if there may be more. */
  function renew(): Result<boolean, string> {
    const current = instance()
    if (current !== null && current !== seen) {
      seen = current
      written.clear()
    }
    const nowMs = now()
    const due: Wanted[] = []
    const live = new Set<string>()
    for (const ban of wanted()) {
      if (ban.until * 1000 <= nowMs) continue
      live.add(ban.subject)
      const at = written.get(ban.subject)
      // Also if the clock was set back.
      if (at === undefined || Math.abs(nowMs - at) >= renewSeconds * 1000) due.push(ban)
    }
    for (const subject of written.keys()) if (!live.has(subject)) written.delete(subject)
    const batch = due.slice(0, LOG_HANDOFF.batch)
    if (batch.length === 0) return ok(false)
    const result = write(batch.map((ban) => lineOf(ban, 'ban')))
    return result.ok ? ok(due.length > batch.length) : result
  }

  const loop = createLoop({
    schedule,
    work: async () => {
      const drained = drain()
      if (!drained.ok) return drained
      if (outbox.count('log') > 0) return ok(0)
      const more = renew()
      return more.ok ? ok(more.value ? 0 : lookMs) : more
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

function lineOf({ subject, jail, until, score, origins }: Wanted, event: 'ban' | 'unban'): LogEntry {
  return { event, ip: subject, jail, until, score, origins }
}
