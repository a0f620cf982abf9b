/** Peer IDs and jail names as small integers, cached both ways: names repeat in every claim and hop. */
import type { Database } from './database.ts'

export interface Interned {
  /** The number of a name, given out at its first use. */
  id(name: string): number
  /** The name behind a number that `id` gave out. */
  name(id: number): string
  count(): number
  /** Names given out since the start or the last `keep`, and names that were left then: what tells whether another pays. */
  growth(): { readonly added: number; readonly kept: number }
  /** Removes all other names. */
  keep(used: ReadonlySet<number>): void
  /** Forgets what a rolled-back transaction may have given out. */
  clear(): void
}

/** Names in memory, each way. A friend may invent as many as it likes; the whole cache is forgotten when it is full. */
const CACHED = 50_000

export function createInterned(db: Database, table: 'peers' | 'jails'): Interned {
  const insert = db.prepare(`INSERT INTO ${table} (name) VALUES (?) RETURNING id`)
  const byName = db.prepare(`SELECT id FROM ${table} WHERE name = ?`)
  const byId = db.prepare(`SELECT name FROM ${table} WHERE id = ?`)
  const selectIds = db.prepare(`SELECT id FROM ${table}`)
  const remove = db.prepare(`DELETE FROM ${table} WHERE id = ?`)
  const countAll = db.prepare(`SELECT count(*) AS n FROM ${table}`)
  const ids = new Map<string, number>()
  const names = new Map<number, string>()
  let added = 0
  let kept = (countAll.get() as { n: number }).n
  function remember(id: number, name: string): void {
    if (ids.size >= CACHED) ids.clear()
    if (names.size >= CACHED) names.clear()
    ids.set(name, id)
    names.set(id, name)
  }
  return {
    id(name) {
      const known = ids.get(name)
      if (known !== undefined) return known
      let row = byName.get(name) as { id: number } | undefined
      if (row === undefined) {
        row = insert.get(name) as { id: number }
        added++
      }
      remember(row.id, name)
      return row.id
    },
    name(id) {
      const known = names.get(id)
      if (known !== undefined) return known
      const { name } = byId.get(id) as { name: string }
      remember(id, name)
      return name
    },
    growth: () => ({ added, kept }),
    count: () => (countAll.get() as { n: number }).n,
    keep(used) {
      for (const { id } of selectIds.all() as { id: number }[]) if (!used.has(id)) remove.run(id)
      added = 0
      kept = used.size
      ids.clear()
      names.clear()
    },
    clear() {
      ids.clear()
      names.clear()
    }
  }
}
