/**
 * After a change of the node's key: what it said under the old one is in nobody's name any more. The reports go; what
 * they said is given back, to be said again under the new key.
 */
import { transaction, type Database } from './database.ts'

const THEIRS = 'brought_by IS NULL AND origin NOT IN (SELECT id FROM peers WHERE name = ?1)'

/** To be called before the ledger is made. The number of reports that were removed. */
export function disownOthers(db: Database, self: string): number {
  const some = db.prepare(`SELECT 1 FROM reports WHERE ${THEIRS} LIMIT 1`)
  if (some.get(self) === undefined) return 0
  return transaction(db, () => {
    for (const table of ['claims', 'paths']) {
      db.prepare(`DELETE FROM ${table} WHERE report IN (SELECT id FROM reports WHERE ${THEIRS})`).run(self)
    }
    return Number(db.prepare(`DELETE FROM reports WHERE ${THEIRS}`).run(self).changes)
  })
}
