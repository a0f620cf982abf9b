/**
 * What the operator holds back from the hand-offs, kept over a restart: whether they are paused, and the subjects whose
 * bans by the mesh were flushed. What both mean is in daemon/judging.ts.
 */
import type { Subject } from '../core/subject.ts'
import { transaction, type Database } from './database.ts'

export type Holds = ReturnType<typeof createHolds>

export function createHolds(db: Database) {
  const selectPaused = db.prepare("SELECT value FROM meta WHERE key = 'paused'")
  const putPaused = db.prepare("INSERT OR REPLACE INTO meta (key, value) VALUES ('paused', ?)")
  const select = db.prepare('SELECT 1 FROM flushed WHERE subject = ?')
  const insert = db.prepare('INSERT OR IGNORE INTO flushed (subject) VALUES (?)')
  const remove = db.prepare('DELETE FROM flushed WHERE subject = ?')
  const clear = db.prepare('DELETE FROM flushed')
  const countAll = db.prepare('SELECT count(*) AS n FROM flushed')

  const count = (): number => (countAll.get() as { n: number }).n
  let paused = (selectPaused.get() as { value: number } | undefined)?.value === 1
  /** Asked for every subject that is judged: without any flushed one that takes no look into the file. */
  let any = count() > 0

  return {
    paused: () => paused,
    setPaused(value: boolean): void {
      putPaused.run(Number(value))
      paused = value
    },
    isFlushed: (subject: Subject): boolean => any && select.get(subject) !== undefined,
    flush(subjects: readonly Subject[]): void {
      transaction(db, () => {
        for (const subject of subjects) insert.run(subject)
      })
      any ||= subjects.length > 0
    },
    /** The subject's next verdict is a new one. */
    forget(subject: Subject): void {
      if (any) remove.run(subject)
    },
    forgetAll(): void {
      clear.run()
      any = false
    },
    /** How many subjects are flushed. */
    count: (): number => (any ? count() : 0)
  }
}
