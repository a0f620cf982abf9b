/** Peer IDs and jail names as small integers, cached both ways: names repeat in every claim and hop. */
import type { Database } from './database.ts'

export interface Interned {
  /** The number of a name, given out at its first use. */
  id(name: string): number
  /** The name behind a number that `id` gave out. */
  name(id: number): string
  /** Forgets what a rolled-back transaction may have given out. */
  clear(): void
}

export function createInterned(db: Database, table: 'peers' | 'jails'): Interned {
  const insert = db.prepare(`INSERT INTO ${table} (name) VALUES (?) RETURNING id`)
  const byName = db.prepare(`SELECT id FROM ${table} WHERE name = ?`)
  const byId = db.prepare(`SELECT name FROM ${table} WHERE id = ?`)
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
    clear() {
      ids.clear()
      names.clear()
    }
  }
}
