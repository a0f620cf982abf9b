/** When our own reports were issued (Unix ms): each later than the one before, over restarts and clocks that jump. */
import type { Database } from './database.ts'

export function createIssueClock(db: Database) {
  const selectLast = db.prepare("SELECT value FROM meta WHERE key = 'issued_at'")
  const putLast = db.prepare("INSERT OR REPLACE INTO meta (key, value) VALUES ('issued_at', ?)")
  const selectOthersAfter = db.prepare('SELECT 1 FROM reports WHERE issued_at > ? AND brought_by IS NOT NULL LIMIT 1')
  const selectLastOwn = db.prepare('SELECT max(issued_at) AS value FROM reports WHERE brought_by IS NULL')

  const last = (): number => ((selectLast.get() ?? {}) as { value?: number }).value ?? 0

  return {
    /** The `issuedAt` of the next report: now, but always later than that of the last one that was kept. */
    next(now: number): number {
      return Math.max(now, last() + 1)
    },

    /** The report is recorded: to be called in the same transaction, and so before anybody sees the report. */
    keep(issuedAt: number): void {
      putLast.run(issuedAt)
    },

    /**
     * Whether our own last word is from after `latest` and nobody else's is: our clock was ahead. (If others have spoken
     * then, it is behind now.)
     */
    wasAhead(latest: number): boolean {
      return last() > latest && selectOthersAfter.get(latest) === undefined
    },

    /** The next ones begin again from `now`, but are later than those that are left: else they would change nothing. */
    reset(now: number): void {
      const { value } = selectLastOwn.get() as { value: number | null }
      putLast.run(Math.max(now, value ?? 0))
    }
  }
}
