/** How many live claims came in by each friend: counted as they come and go, so that asking costs nothing. */
import type { Database } from './database.ts'

export interface Quota {
  /** `friend`: the number of its peer ID; null for our own reports, which are not counted. */
  add(friend: number | null, claims: number): void
  of(friend: number): number
  /** Counts anew, after a rollback. */
  reload(): void
}

export function createQuota(db: Database): Quota {
  const select = db.prepare(
    'SELECT brought_by AS friend, sum(live) AS claims FROM reports WHERE brought_by IS NOT NULL GROUP BY brought_by'
  )
  let counts = new Map<number, number>()
  const quota: Quota = {
    add(friend, claims) {
      if (friend !== null) counts.set(friend, quota.of(friend) + claims)
    },
    of: (friend) => counts.get(friend) ?? 0,
    reload() {
      const rows = select.all() as { friend: number; claims: number }[]
      counts = new Map(rows.map(({ friend, claims }) => [friend, claims]))
    }
  }
  quota.reload()
  return quota
}
