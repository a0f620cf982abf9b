/**
 * How much came in by each friend and is still here: live claims, and the bytes of the reports that hold them (a report
 * stays whole for the last of its claims). Counted as they come and go, so that asking costs nothing.
 */
import type { Database } from './database.ts'

export interface Brought {
  readonly claims: number
  readonly bytes: number
}

export interface Quota {
  /** `friend`: the number of its peer ID; null for our own reports, which are not counted. */
  add(friend: number | null, claims: number, bytes: number): void
  of(friend: number): Brought
  /** Counts anew, after a rollback. */
  reload(): void
}

const NOTHING: Brought = { claims: 0, bytes: 0 }

export function createQuota(db: Database): Quota {
  const select = db.prepare(
    `SELECT brought_by AS friend, sum(live) AS claims, sum(length(bytes)) AS bytes
     FROM reports WHERE brought_by IS NOT NULL GROUP BY brought_by`
  )
  let counts = new Map<number, Brought>()
  const quota: Quota = {
    add(friend, claims, bytes) {
      if (friend === null) return
      const before = quota.of(friend)
      counts.set(friend, { claims: before.claims + claims, bytes: before.bytes + bytes })
    },
    of: (friend) => counts.get(friend) ?? NOTHING,
    reload() {
      const rows = select.all() as { friend: number; claims: number; bytes: number }[]
      counts = new Map(rows.map(({ friend, claims, bytes }) => [friend, { claims, bytes }]))
    }
  }
  quota.reload()
  return quota
}
