/** When our own reports were issued (Unix ms): each later than the one before, over restarts and clocks that jump. */
import type { Database } from './database.ts'

export function createIssueClock(db: Database) {
  const issue = db.prepare(
    `INSERT INTO meta (key, value) VALUES ('issued_at', ?)
     ON CONFLICT DO UPDATE SET value = max(excluded.value, value + 1) RETURNING value`
  )
  const selectLast = db.prepare("SELECT value FROM meta WHERE key = 'issued_at'")
  const reset = db.prepare("UPDATE meta SET value = ? WHERE key = 'issued_at'")
  const selectOthersAfter = db.prepare('SELECT 1 FROM reports WHERE issued_at > ? AND brought_by IS NOT NULL LIMIT 1')

  return {
    /** The `issuedAt` of the next report: now, but always later than the one before. */
    next(now: number): number {
      return (issue.get(now) as { value: number }).value
    },

    /**
     * Whether our own last word is from after `latest` and nobody else's is: our clock was ahead. (If others have spoken
     * then, it is behind now.)
     */
    wasAhead(latest: number): boolean {
      const { value: last = 0 } = (selectLast.get() ?? {}) as { value?: number }
      return last > latest && selectOthersAfter.get(latest) === undefined
    },

    /** The next ones begin again from `now`. */
    reset(now: number): void {
      reset.run(now)
    }
  }
}
