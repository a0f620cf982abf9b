/** An outbox in memory, for the hand-off's tests: what the ledger does with SQLite. */
import { parseSubject, type Subject } from '../../src/core/subject.ts'
import type { Outbox, OutboxEntry, Wanted } from '../../src/fail2ban/outbox.ts'

export interface TestLedger {
  readonly outbox: Outbox
  wanted(): Iterable<Wanted>
  /** Accepts a verdict: it is wanted, and a ban is queued. */
  accept(...texts: string[]): void
  /** The same, with its end: Unix seconds. */
  acceptUntil(until: number, ...texts: string[]): void
  /** Ends a verdict: it is not wanted, and an unban is queued. */
  end(...texts: string[]): void
}

export function subject(text: string): Subject {
  const parsed = parseSubject(text)
  if (!parsed.ok) throw new Error(text)
  return parsed.value
}

/** `until`: Unix seconds at which every verdict ends. */
export function createTestLedger(until: number): TestLedger {
  const wanted = new Map<Subject, Wanted>()
  const queue = new Map<Subject, OutboxEntry>()
  let sequence = 0
  const put = (action: 'ban' | 'unban', ban: Wanted): void => {
    queue.delete(ban.subject)
    queue.set(ban.subject, { ...ban, action, sequence: sequence++ })
  }
  const acceptUntil = (end: number, texts: readonly string[]): void => {
    for (const text of texts) {
      const ban = { subject: subject(text), until: end, jail: 'sshd', score: 800_000, origins: 1 }
      wanted.set(ban.subject, ban)
      put('ban', ban)
    }
  }
  return {
    outbox: {
      pending: (_target, limit) => [...queue.values()].slice(0, limit),
      done(_target, entries) {
        for (const entry of entries) {
          if (queue.get(entry.subject)?.sequence === entry.sequence) queue.delete(entry.subject)
        }
      },
      count: () => queue.size
    },
    wanted: () => wanted.values(),
    accept: (...texts) => acceptUntil(until, texts),
    acceptUntil: (end, ...texts) => acceptUntil(end, texts),
    end(...texts) {
      for (const text of texts) {
        const ban = wanted.get(subject(text))
        if (ban === undefined) continue
        wanted.delete(ban.subject)
        put('unban', ban)
      }
    }
  }
}
