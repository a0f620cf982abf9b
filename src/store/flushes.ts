/** fail2ban's flushes that are not explained yet (src/fail2ban/events.ts), kept over a restart of ours. */
import { transaction, type Database } from './database.ts'

interface Flush {
  readonly jail: string
  /** Unix ms. */
  readonly at: number
}

export interface Flushes {
  load(): readonly Flush[]
  save(flushes: readonly Flush[]): void
}

export function createFlushes(db: Database): Flushes {
  const select = db.prepare('SELECT jail, at FROM flushes ORDER BY at, jail')
  const insert = db.prepare('INSERT OR REPLACE INTO flushes (jail, at) VALUES (?, ?)')
  const clear = db.prepare('DELETE FROM flushes')
  /** Asked for at every event, and nearly always empty. Nobody else writes them. */
  let known: readonly Flush[] | null = null
  return {
    load: () => (known ??= select.all() as unknown as Flush[]),
    save(flushes) {
      transaction(db, () => {
        clear.run()
        for (const { jail, at } of flushes) insert.run(jail, at)
      })
      known = flushes
    }
  }
}
