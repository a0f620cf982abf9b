/**
 * Opens the ledger's SQLite file: WAL, migrations, one writer.
 *
 * `synchronous = NORMAL` in WAL mode: a commit survives the death of the process at any moment; after a power cut the
 * last commits before it may be missing, never half of one, and friends give back what was theirs.
 */
import { DatabaseSync } from 'node:sqlite'
import { ok, refuse, type Result } from '../core/result.ts'
import { MIGRATIONS } from './migrations.ts'

export type Database = DatabaseSync

/**
 * Pages (of 4 KiB) that SQLite's log may grow to before a commit has to bring them into the file and wait for the disk. By
 * default it is a thousand: then one commit in a hundred takes 5 ms instead of 0.1. Mostly `checkpoint` comes first.
 */
export const LOG_PAGES = 4000

/** How long to wait for whoever else has locked the file. */
const BUSY_MS = 2000

export type OpenRefusal = 'newer-version' | 'not-a-ledger' | 'not-writable' | 'corrupt'

/** SQLite's primary result codes, https://www.sqlite.org/rescode.html */
const REFUSALS: Record<number, OpenRefusal> = {
  8: 'not-writable', // SQLITE_READONLY
  11: 'corrupt', // SQLITE_CORRUPT
  13: 'not-writable', // SQLITE_FULL
  14: 'not-writable', // SQLITE_CANTOPEN
  10: 'not-writable', // SQLITE_IOERR
  26: 'not-a-ledger' // SQLITE_NOTADB
}

/** Opens `path` (`:memory:` in tests) and brings its schema to the newest version in one transaction. */
export function openDatabase(path: string): Result<Database, OpenRefusal> {
  let db: DatabaseSync | undefined
  try {
    db = new DatabaseSync(path)
    db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = ${BUSY_MS};
      PRAGMA wal_autocheckpoint = ${LOG_PAGES}`)
    if (!migrate(db, MIGRATIONS)) {
      db.close()
      return refuse('newer-version')
    }
    return ok(db)
  } catch (error) {
    db?.close()
    const refusal = REFUSALS[sqliteCode(error) & 0xff]
    if (refusal === undefined) throw error
    return refuse(refusal)
  }
}

/**
 * Brings what was committed into the file, and empties the log: for when nobody waits for the ledger. False if somebody
 * else is reading the file, a backup perhaps: that is not waited for either.
 */
export function checkpoint(db: Database): boolean {
  db.exec('PRAGMA busy_timeout = 0')
  try {
    return (db.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get() as { busy: number }).busy === 0
  } finally {
    db.exec(`PRAGMA busy_timeout = ${BUSY_MS}`)
  }
}

/** False, and nothing is touched, if the file is from a newer version. */
export function migrate(db: Database, steps: readonly string[]): boolean {
  const { user_version: version } = db.prepare('PRAGMA user_version').get() as { user_version: number }
  if (version > steps.length) return false
  if (version === steps.length) return true
  transaction(db, () => {
    for (const step of steps.slice(version)) db.exec(step)
    db.exec(`PRAGMA user_version = ${steps.length}`)
  })
  return true
}

/** All or nothing; an exception rolls back and goes on to the caller. */
export function transaction<T>(db: Database, work: () => T): T {
  db.exec('BEGIN IMMEDIATE')
  try {
    const result = work()
    db.exec('COMMIT')
    return result
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK')
    throw error
  }
}

/** The result code of an error that node:sqlite threw, or 0. */
function sqliteCode(error: unknown): number {
  return error instanceof Error && 'errcode' in error && typeof error.errcode === 'number' ? error.errcode : 0
}
