/** The verdicts as last judged, and the vetoes that bind them. Derived from the ledger, kept for speed and for the hand-off. */
import type { Ppm } from '../core/report.ts'
import type { Subject } from '../core/subject.ts'
import type { Database } from './database.ts'

/** A verdict as it is kept: only subjects with live evidence, or with a claim of our own, have one. */
export interface StoredVerdict {
  readonly subject: Subject
  readonly score: Ppm
  readonly accepted: boolean
  /** Unix seconds. */
  readonly until: number
  /** Unix seconds at which time alone may change the verdict. */
  readonly reviewAt: number
  readonly origins: number
  /** The jail that the strongest evidence names. */
  readonly jail: string
  /** The local jail that the policy names for it; null: the hand-off's own. */
  readonly localJail: string | null
  /** Why it is accepted or not, as `judge` says. */
  readonly reason: string
  /** Whether a claim of our own is behind it. */
  readonly own: boolean
  /** Whether the local fail2ban has to be told. */
  readonly handOff: boolean
}

interface Row {
  subject: Subject
  score: number
  accepted: number
  until: number
  reviewAt: number
  origins: number
  jail: string
  localJail: string | null
  reason: string
  own: number
  handOff: number
}

export type Verdicts = ReturnType<typeof createVerdicts>

const COLUMNS =
  'subject, score, accepted, until, review_at AS reviewAt, origins, jail, local_jail AS localJail, reason, own, hand_off AS handOff'

export function createVerdicts(db: Database) {
  const select = db.prepare(`SELECT ${COLUMNS} FROM verdicts WHERE subject = ?`)
  const upsert = db.prepare(
    `INSERT OR REPLACE INTO verdicts (subject, score, accepted, until, review_at, origins, jail, local_jail,
       reason, own, hand_off)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
  )
  const remove = db.prepare('DELETE FROM verdicts WHERE subject = ?')
  const selectDue = db.prepare('SELECT subject FROM verdicts WHERE review_at <= ? ORDER BY review_at LIMIT ?')
  const selectAfter = db.prepare(`SELECT ${COLUMNS} FROM verdicts WHERE subject > ? ORDER BY subject LIMIT ?`)
  const selectBecause = db.prepare(`SELECT ${COLUMNS} FROM verdicts WHERE reason = ?`)
  const countAll = db.prepare('SELECT count(*) AS n FROM verdicts')
  const countHeld = db.prepare('SELECT count(*) AS n FROM verdicts WHERE accepted = 0')
  const insertVeto = db.prepare('INSERT OR IGNORE INTO vetoes (subject, since) VALUES (?, ?)')
  const removeVeto = db.prepare('DELETE FROM vetoes WHERE subject = ?')
  const selectVetoes = db.prepare('SELECT subject FROM vetoes ORDER BY subject')

  const read = (row: Row): StoredVerdict => ({
    ...row,
    accepted: row.accepted === 1,
    own: row.own === 1,
    handOff: row.handOff === 1
  })

  function after(subject: Subject | '', limit: number): StoredVerdict[] {
    return (selectAfter.all(subject, limit) as unknown as Row[]).map(read)
  }

  function* all(pageSize = 1000): Generator<StoredVerdict> {
    let last: Subject | '' = ''
    for (;;) {
      const page: StoredVerdict[] = after(last, pageSize)
      yield* page
      if (page.length < pageSize) return
      last = page.at(-1)!.subject
    }
  }

  return {
    get(subject: Subject): StoredVerdict | null {
      const row = select.get(subject) as Row | undefined
      return row === undefined ? null : read(row)
    },
    put(verdict: StoredVerdict): void {
      const { subject, score, until, reviewAt, origins, jail, localJail, reason } = verdict
      const [accepted, own, handOff] = [verdict.accepted, verdict.own, verdict.handOff].map(Number) as [
        number,
        number,
        number
      ]
      upsert.run(subject, score, accepted, until, reviewAt, origins, jail, localJail, reason, own, handOff)
    },
    remove(subject: Subject): void {
      remove.run(subject)
    },
    /** Up to `limit` subjects whose verdict may have changed by time alone. */
    due(nowSeconds: number, limit: number): Subject[] {
      return (selectDue.all(nowSeconds, limit) as { subject: Subject }[]).map((row) => row.subject)
    },
    /** Up to `limit` verdicts in order of subject, after the given one (empty text: from the first). */
    after,
    /** All of them, a page at a time, so that a long walk keeps no statement open while others write. */
    all,
    /** Those with one of these reasons. */
    because(reasons: readonly string[]): StoredVerdict[] {
      return reasons.flatMap((reason) => (selectBecause.all(reason) as unknown as Row[]).map(read))
    },
    /** The verdicts that the local fail2ban has to hold. */
    *wanted(): Generator<StoredVerdict> {
      for (const verdict of all()) if (verdict.handOff) yield verdict
    },
    counts(): { readonly accepted: number; readonly held: number } {
      const [total, held] = [countAll, countHeld].map((count) => (count.get() as { n: number }).n) as [number, number]
      return { accepted: total - held, held }
    },
    vetoes(): Subject[] {
      return (selectVetoes.all() as { subject: Subject }[]).map((row) => row.subject)
    },
    veto(subject: Subject, now: number): void {
      insertVeto.run(subject, now)
    },
    /** False if there was none. */
    forgetVeto(subject: Subject): boolean {
      return removeVeto.run(subject).changes > 0
    }
  }
}
