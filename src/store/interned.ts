/** Peer IDs and jail names as small integers, cached both ways: names repeat in every claim and hop. */
import type { Database } from './database.ts'

export interface Interned {
  /** The number of a name, given out at its first use. */
  id(name: string): number
  /** The name behind a number that `id` gave out. */
  name(id: number): string
  count(): number
  /** Removes all other names. */
  keep(used: ReadonlySet<number>): void
  /** Forgets what a rolled-back transaction may have given out. */
  clear(): void
}

export function createInterned(db: Database, table: 'peers' | 'jails'): Interned {
  const insert = db.prepare(`INSERT INTO ${table} (name) VALUES (?) RETURNING id`)
  const byName = db.prepare(`SELECT id FROM ${table} WHERE name = ?`)
  const byId = db.prepare(`SELECT name FROM ${table} WHERE id = ?`)
  const selectIds = db.prepare(`SELECT id FROM ${table}`)
  const remove = db.prepare(`DELETE FROM ${table} WHERE id = ?`)
  const countAll = db.prepare(`SELECT count(*) AS n FROM ${table}`)
  const ids = new Map<string, number>()
  const names = new Map<number, string>()
  function remember(id: number, name: string): void {
    ids.set(name, id)
    names.set(id, name)
  }
  return {
    id(name) {
      const known = ids.get(name)
      if (known !== undefined) return known
      const { id } = (byName.get(name) ?? insert.get(name)) as { id: number }
      remember(id, name)
      return id
    },
    name(id) {
      const known = names.get(id)
      if (known !== undefined) return known
      const { name } = byId.get(id) as { name: string }
      remember(id, name)
      return name
    },
    count: () => (countAll.get() as { n: number }).n,
    keep(used) {
      for (const { id } of selectIds.all() as { id: number }[]) if (!used.has(id)) remove.run(id)
      ids.clear()
      names.clear()
    },
    clear() {
      ids.clear()
      names.clear()
    }
  }
}
