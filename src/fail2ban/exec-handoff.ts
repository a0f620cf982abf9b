/**
 * The hand-off by a command of the operator's: once for each ban and each lift, several at a time. What fails stays in
 * the outbox and is tried again, later each time, until it succeeds or a newer word about the address takes its place.
 */
import { ok } from '../core/result.ts'
import { fillCommand, type ExecRefusal, runCommand } from './exec-command.ts'
import { backoffMs, createLoop, type Schedule } from './loop.ts'
import type { Handoff, Outbox, OutboxEntry } from './outbox.ts'

export const EXEC_HANDOFF = {
  /** Changes that are looked at: those that failed must not hide the others, so there may be so many of them. */
  window: 1000,
  /** Changes in one round, for each of the commands at a time. */
  round: 8,
  /** Milliseconds to the next look if nothing is to be done. */
  idleMs: 60_000
} as const

export interface ExecHandoffOptions {
  /** From `checkCommand`. */
  readonly command: readonly string[]
  /** Commands at a time. */
  readonly concurrency: number
  /** Milliseconds for one. */
  readonly timeoutMs: number
  readonly outbox: Outbox
  /** Unix ms. */
  readonly now: () => number
  readonly schedule: Schedule
}

interface Failure {
  readonly sequence: number
  readonly count: number
  readonly reason: ExecRefusal
  /** Unix ms. */
  readonly retryAt: number
}

export function createExecHandoff(options: ExecHandoffOptions): Handoff {
  const { command, concurrency, timeoutMs, outbox, now, schedule } = options
  const ending = new AbortController()
  /** By subject: those that failed and are still to be done. */
  let failures = new Map<string, Failure>()

  function isDue(entry: OutboxEntry): boolean {
    const failure = failures.get(entry.subject)
    return failure === undefined || failure.sequence !== entry.sequence || failure.retryAt <= now()
  }

  async function carryOut(entry: OutboxEntry): Promise<void> {
    // The time of a ban that is over has passed, and its end is coming.
    const isOver = entry.action === 'ban' && entry.until * 1000 <= now()
    const argv = fillCommand(command, entry)
    const result = isOver ? ok(undefined) : await runCommand(argv, { timeoutMs, signal: ending.signal })
    if (ending.signal.aborted) return
    if (result.ok) {
      failures.delete(entry.subject)
      outbox.done('exec', [entry])
      return
    }
    const { subject, sequence } = entry
    const before = failures.get(subject)
    const count = before?.sequence === sequence ? before.count + 1 : 1
    failures.set(subject, { sequence, count, reason: result.reason, retryAt: now() + backoffMs(count) })
  }

  const loop = createLoop({
    schedule,
    async work() {
      const entries = outbox.pending('exec', EXEC_HANDOFF.window)
      const pending = new Map(entries.map(({ subject, sequence }) => [subject as string, sequence]))
      failures = new Map([...failures].filter(([subject, { sequence }]) => pending.get(subject) === sequence))
      const due = entries.filter(isDue)
      if (due.length === 0) {
        const retries = [...failures.values()].map(({ retryAt }) => retryAt - now())
        return ok(Math.max(0, Math.min(EXEC_HANDOFF.idleMs, ...retries)))
      }
      // Not all of them: what is new is looked at between two rounds.
      const queue = due.slice(0, concurrency * EXEC_HANDOFF.round).values()
      const workers = Array.from({ length: concurrency }, async () => {
        for (const entry of queue) {
          if (ending.signal.aborted) return
          await carryOut(entry)
        }
      })
      await Promise.all(workers)
      return ok(0)
    }
  })
  return {
    ...loop,
    view() {
      const [failure] = failures.values()
      return { pending: outbox.count('exec'), lastError: failure?.reason ?? null }
    },
    async stop() {
      // What is under way is run again at the next start.
      ending.abort()
      await loop.stop()
    }
  }
}
