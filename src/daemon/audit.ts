/**
 * The audit log: everything that changed the firewall, and why, one JSON object a line. What the hand-offs took over, with
 * who said so, by which way and what that weighs; and what the operator told this node to do.
 *
 * Opened anew for every batch of lines, so that it may be renamed or deleted at any time.
 */
import { appendFileSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Why } from '../control/api.ts'
import type { Subject } from '../core/subject.ts'
import type { OutboxEntry } from '../store/outbox.ts'

export interface AuditOptions {
  /** Null: turned off. Asked at every batch. */
  path(): string | null
  why(subject: Subject): Why
  /** Unix ms. */
  now(): number
  /** It can't be written; once until it can again. */
  failed(error: unknown): void
}

export interface Audit {
  handedOver(target: string, entries: readonly Omit<OutboxEntry, 'sequence'>[]): void
  command(command: string, detail: Readonly<Record<string, unknown>>): void
}

/** Pieces of evidence in one line, the strongest ones; `more` counts the rest. */
export const AUDIT_EVIDENCE = 10
/** Readable for the group: the folder decides who that is. */
const MODE = 0o640

export function createAudit({ path, why, now, failed }: AuditOptions): Audit {
  let broken = false

  function write(lines: readonly object[]): void {
    const file = path()
    if (file === null || lines.length === 0) return
    const time = new Date(now()).toISOString()
    const text = lines.map((line) => `${JSON.stringify({ time, ...line })}\n`).join('')
    try {
      mkdirSync(dirname(file), { recursive: true, mode: 0o750 })
      appendFileSync(file, text, { mode: MODE })
      broken = false
    } catch (error) {
      if (!broken) failed(error)
      broken = true
    }
  }

  function lineOf(target: string, { action, subject, jail, until, score, origins }: Omit<OutboxEntry, 'sequence'>) {
    const { evidence, reason, heldBack } = why(subject)
    const strongest = evidence.toSorted((a, b) => b.confidence - a.confidence).slice(0, AUDIT_EVIDENCE)
    return {
      event: action,
      target,
      ip: subject,
      jail,
      until,
      score: score / 10_000,
      origins,
      reason: heldBack ?? reason,
      said: strongest,
      more: evidence.length - strongest.length
    }
  }

  return {
    handedOver(target, entries) {
      if (path() !== null) write(entries.map((entry) => lineOf(target, entry)))
    },
    command: (command, detail) => write([{ event: 'command', command, ...detail }])
  }
}
