/**
 * The outbox: what each hand-off target still has to be told, persisted in the same transaction as the verdict.
 *
 * It holds the newest word per target and subject. A hand-off is at least once: an entry leaves only when the target has
 * it, and only if no newer word has taken its place meanwhile.
 */
import type { Ppm } from '../core/report.ts'
import type { Subject } from '../core/subject.ts'
import type { Database } from './database.ts'

/** `fail2ban:JAIL` is another jail than the one that `fail2ban` fills. */
export type Target = 'log' | 'fail2ban' | `fail2ban:${string}` | 'nftables' | 'exec'

export interface OutboxEntry {
  readonly sequence: number
  readonly subject: Subject
  readonly action: 'ban' | 'unban'
  /** Unix seconds. */
  readonly until: number
  /** The jail that the strongest evidence names. */
  readonly jail: string
  readonly score: Ppm
  readonly origins: number
}

export type Outbox = ReturnType<typeof createOutbox>

export function createOutbox(db: Database) {
  const insert = db.prepare(
    `INSERT OR REPLACE INTO outbox (target, subject, seq, ban, until, jail, score, origins)
     VALUES (?, ?, (SELECT coalesce(max(seq), 0) + 1 FROM outbox WHERE target = ?1), ?, ?, ?, ?, ?)`
  )
  const select = db.prepare(
    'SELECT seq AS sequence, subject, ban, until, jail, score, origins FROM outbox WHERE target = ? ORDER BY seq LIMIT ?'
  )
  const remove = db.prepare('DELETE FROM outbox WHERE target = ? AND subject = ? AND seq = ?')
  const countAll = db.prepare('SELECT count(*) AS n FROM outbox WHERE target = ?')
  const selectTargets = db.prepare('SELECT DISTINCT target FROM outbox')
  const clear = db.prepare('DELETE FROM outbox WHERE target = ?')

  return {
    /** Replaces what the target was still to be told about the subject. */
    put(target: Target, entry: Omit<OutboxEntry, 'sequence'>): void {
      const { subject, action, until, jail, score, origins } = entry
      insert.run(target, subject, action === 'ban' ? 1 : 0, until, jail, score, origins)
    },
    /** The oldest entries, at most `limit`. */
    pending(target: Target, limit: number): OutboxEntry[] {
      const rows = select.all(target, limit) as unknown as (Omit<OutboxEntry, 'action'> & { ban: number })[]
      return rows.map(({ ban, ...row }) => ({ ...row, action: ban === 1 ? 'ban' : 'unban' }))
    },
    /** The target has these; a newer word about the same subject stays. */
    done(target: Target, entries: readonly OutboxEntry[]): void {
      for (const { subject, sequence } of entries) remove.run(target, subject, sequence)
    },
    count(target: Target): number {
      return (countAll.get(target) as { n: number }).n
    },
    /** Forgets what all others still had to be told: they are turned off. */
    keepOnly(targets: readonly Target[]): void {
      for (const { target } of selectTargets.all() as { target: Target }[]) {
        if (!targets.includes(target)) clear.run(target)
      }
    }
  }
}
