/**
 * The outbox: what each hand-off target still has to be told, persisted in the same transaction as the verdict.
 *
 * It holds the newest word per target and subject. A hand-off is at least once: an entry leaves only when the target has
 * it, and only if no newer word has taken its place meanwhile.
 *
 * Sources take turns: what one friend has said is not kept waiting by another's flood.
 */
import type { Ppm } from '../core/report.ts'
import type { Subject } from '../core/subject.ts'
import { transaction, type Database } from './database.ts'

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

export interface NewEntry extends Omit<OutboxEntry, 'sequence'> {
  /** Whose word it is mostly, a friend's say; empty, the default: our own. */
  readonly source?: string
}

export type Outbox = ReturnType<typeof createOutbox>

type Row = Omit<OutboxEntry, 'action'> & { readonly ban: number }

export function createOutbox(db: Database) {
  const insert = db.prepare(
    `INSERT OR REPLACE INTO outbox (target, subject, seq, ban, until, jail, score, origins, source)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`
  )
  const selectLast = db.prepare('SELECT max(seq) AS seq FROM outbox')
  const selectSources = db.prepare(
    `WITH RECURSIVE found(source) AS (
       SELECT min(source) FROM outbox WHERE target = ?1
       UNION ALL
       SELECT (SELECT min(source) FROM outbox WHERE target = ?1 AND source > found.source)
       FROM found WHERE found.source IS NOT NULL
     ) SELECT source FROM found WHERE source IS NOT NULL`
  )
  const select = db.prepare(
    `SELECT seq AS sequence, subject, ban, until, jail, score, origins FROM outbox
     WHERE target = ? AND source = ? ORDER BY seq LIMIT ?`
  )
  const remove = db.prepare('DELETE FROM outbox WHERE target = ? AND subject = ? AND seq = ?')
  const countAll = db.prepare('SELECT count(*) AS n FROM outbox WHERE target = ?')
  const selectTargets = db.prepare('SELECT DISTINCT target FROM outbox')
  const clear = db.prepare('DELETE FROM outbox WHERE target = ?')

  /** A number that was rolled back is left out. */
  let sequence = (selectLast.get() as { seq: number | null }).seq ?? 0

  return {
    /** Replaces what the target was still to be told about the subject. */
    put(target: Target, entry: NewEntry): void {
      const { subject, action, until, jail, score, origins, source = '' } = entry
      insert.run(target, subject, ++sequence, action === 'ban' ? 1 : 0, until, jail, score, origins, source)
    },
    /** At most `limit`: of each source the oldest ones, and of all alike many as far as they have so many; in their order. */
    pending(target: Target, limit: number): OutboxEntry[] {
      const sources = selectSources.all(target) as { source: string }[]
      const queues = sources.map(({ source }) => select.all(target, source, limit) as unknown as Row[])
      const turns: Row[] = []
      for (let turn = 0; turns.length < limit && queues.some(({ length }) => length > turn); turn++) {
        for (const queue of queues) if (turn < queue.length) turns.push(queue[turn]!)
      }
      return turns
        .slice(0, limit)
        .sort((a, b) => a.sequence - b.sequence)
        .map(({ ban, ...row }) => ({ ...row, action: ban === 1 ? 'ban' : 'unban' }))
    },
    /** The target has these; a newer word about the same subject stays. */
    done(target: Target, entries: readonly OutboxEntry[]): void {
      // One commit for all: one for each entry would take longer than all the rest of a bulk hand-off.
      transaction(db, () => {
        for (const entry of entries) remove.run(target, entry.subject, entry.sequence)
      })
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
