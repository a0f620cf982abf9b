/**
 * The audit log: everything that changed the firewall, and why, one JSON object a line. What the hand-offs took over, with
 * who said so, by which way and what that weighs; and what the operator told this node to do.
 *
 * Opened anew for every batch of lines, so that it may be renamed or deleted at any time.
 *
 * To say why costs as much as to judge. So of a bulk hand-off only the first lines are written at once, and the others bit
 * by bit, while the daemon goes on with its work; what is too much for that, or for a stop, is told without who said it.
 */
import { appendFileSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Why } from '../control/api.ts'
import type { Subject } from '../core/subject.ts'
import type { Schedule } from '../fail2ban/loop.ts'
import type { OutboxEntry } from '../store/outbox.ts'

export interface AuditOptions {
  /** Null: turned off. Asked at every batch. */
  path(): string | null
  why(subject: Subject): Pick<Why, 'evidence' | 'reason' | 'heldBack'>
  /** Unix ms. */
  now(): number
  readonly schedule: Schedule
  /** It can't be written; once until it can again. */
  failed(error: unknown): void
}

export interface Audit {
  handedOver(target: string, entries: readonly Omit<OutboxEntry, 'sequence'>[]): void
  command(command: string, detail: Readonly<Record<string, unknown>>): void
  /** Writes what waits. */
  stop(): void
}

/** What the hand-offs took over, and when. */
interface Line {
  readonly target: string
  readonly entry: Omit<OutboxEntry, 'sequence'>
  readonly time: string
}

/** Pieces of evidence in one line, the strongest ones; `more` counts the rest. */
export const AUDIT_EVIDENCE = 10
export const AUDIT_LIMITS = {
  /** Lines that are made in one go, each of which looks for its reasons. */
  slice: 50,
  /** Milliseconds between two goes, which take some 5: the rest is for others. */
  pauseMs: 50,
  /** Lines that wait. */
  waiting: 200_000
} as const
/** Readable for the group: the folder decides who that is. */
const MODE = 0o640

export function createAudit({ path, why, now, schedule, failed }: AuditOptions): Audit {
  let broken = false
  const waiting: Line[] = []
  let cancel: (() => void) | null = null

  function write(lines: readonly object[]): void {
    const file = path()
    if (file === null || lines.length === 0) return
    const text = lines.map((line) => `${JSON.stringify(line)}\n`).join('')
    try {
      mkdirSync(dirname(file), { recursive: true, mode: 0o750 })
      appendFileSync(file, text, { mode: MODE })
      broken = false
    } catch (error) {
      if (!broken) failed(error)
      broken = true
    }
  }

  function brief({ target, time, entry: { action, subject, jail, until, score, origins } }: Line) {
    return { time, event: action, target, ip: subject, jail, until, score: score / 10_000, origins }
  }

  function whole(line: Line) {
    try {
      const { evidence, reason, heldBack } = why(line.entry.subject)
      const strongest = evidence.toSorted((a, b) => b.confidence - a.confidence).slice(0, AUDIT_EVIDENCE)
      const more = evidence.length - strongest.length
      return { ...brief(line), reason: heldBack ?? reason, said: strongest, more }
    } catch {
      // The ledger can't be read just now.
      return brief(line)
    }
  }

  function writeSome(): void {
    cancel = null
    write(waiting.splice(0, AUDIT_LIMITS.slice).map(whole))
    if (waiting.length > 0) cancel = schedule(writeSome, AUDIT_LIMITS.pauseMs)
  }

  return {
    handedOver(target, entries) {
      if (path() === null) return
      const time = new Date(now()).toISOString()
      const lines = entries.map((entry) => ({ target, entry, time }))
      const room = AUDIT_LIMITS.waiting - waiting.length
      for (const line of lines.slice(0, room)) waiting.push(line)
      write(lines.slice(room).map(brief))
      if (cancel === null) writeSome()
    },
    command: (command, detail) =>
      write([{ time: new Date(now()).toISOString(), event: 'command', command, ...detail }]),
    stop() {
      cancel?.()
      cancel = null
      write(waiting.splice(0).map(brief))
    }
  }
}
