/**
 * What we have said ourselves, beyond what the register shows: how long our word may still be out there, and how long the
 * ban behind it really lasts.
 *
 * A claim that ends before an earlier one about the same register would have (a shorter ban after a lift, say) is not
 * enough: whoever was away for all of its time still holds the earlier one. So `kept` is the latest `until` that we ever
 * said; a lift carries it, and a ban that ends before it is followed by a lift.
 */
import type { Claim } from '../core/report.ts'
import type { Subject } from '../core/subject.ts'
import type { Database } from './database.ts'

export interface OwnClaim {
  readonly subject: Subject
  readonly jail: string
  readonly kind: Claim['kind']
  /** Unix seconds at which the claim ends. */
  readonly until: number
  /** The latest `until` that we said about this register. */
  readonly kept: number
  /** Unix seconds at which the ban behind it ends; later than `until` where that was capped. */
  readonly endsAt: number
  readonly failures: number
  readonly source: 'command' | 'fail2ban'
}

const COLUMNS = 'subject, jail, ban, until, kept, ends_at AS endsAt, failures, source'

type Row = Omit<OwnClaim, 'kind'> & { readonly ban: number }

export function createOwnClaims(db: Database) {
  const upsert = db.prepare(
    `INSERT INTO own_claims (subject, jail, ban, until, kept, ends_at, failures, source) VALUES (?1, ?2, ?3, ?4, ?4, ?4, ?5, ?6)
     ON CONFLICT DO UPDATE SET ban = ?3, until = ?4, kept = max(kept, ?4), ends_at = ?4, failures = ?5, source = ?6`
  )
  const updateEnd = db.prepare('UPDATE own_claims SET ends_at = ? WHERE subject = ? AND jail = ?')
  const select = db.prepare(`SELECT ${COLUMNS} FROM own_claims WHERE subject = ? AND ban = 1 AND until > ?`)
  const selectLive = db.prepare(`SELECT ${COLUMNS} FROM own_claims WHERE ban = 1 AND until > ?`)
  const selectJail = db.prepare('SELECT subject FROM own_claims WHERE jail = ? AND ban = 1 AND until > ?')
  const selectToRenew = db.prepare(
    `SELECT ${COLUMNS} FROM own_claims WHERE ban = 1 AND ends_at > until AND until <= ? AND ends_at > ? LIMIT ?`
  )
  const selectToLift = db.prepare(
    `SELECT ${COLUMNS} FROM own_claims WHERE ban = 1 AND kept > until AND until <= ?1 AND kept > ?1 AND ends_at <= ?1 LIMIT ?2`
  )
  const removeEnded = db.prepare('DELETE FROM own_claims WHERE kept <= ?1 AND ends_at <= ?1')
  const selectOne = db.prepare(`SELECT ${COLUMNS} FROM own_claims WHERE subject = ? AND jail = ?`)
  const selectSmall = db.prepare(
    `SELECT own_claims.subject, own_claims.jail, own_claims.ban, own_claims.until, kept, ends_at AS endsAt,
       own_claims.failures, source
     FROM reports JOIN claims ON claims.report = reports.id JOIN jails ON jails.id = claims.jail
       JOIN own_claims ON own_claims.subject = claims.subject AND own_claims.jail = jails.name
     WHERE reports.brought_by IS NULL AND reports.live <= ? AND claims.until > ?
     ORDER BY source, reports.issued_at LIMIT ?`
  )
  const selectUnsaid = db.prepare(
    `SELECT ${COLUMNS} FROM own_claims WHERE kept > ?1 AND (ban = 0 OR until > ?1) AND NOT EXISTS (
       SELECT 1 FROM claims JOIN jails ON jails.id = claims.jail
       WHERE claims.subject = own_claims.subject AND jails.name = own_claims.jail AND claims.own > 0
     ) LIMIT ?2`
  )
  const countSmall = db.prepare('SELECT count(*) AS n FROM reports WHERE brought_by IS NULL AND live <= ?')
  const read = (rows: unknown): OwnClaim[] =>
    (rows as Row[]).map(({ ban, ...row }) => ({ ...row, kind: ban === 1 ? 'ban' : 'unban' }))

  return {
    /** Together with the report that says it. */
    put({ kind, subject, jail, until, failures }: Claim, source: OwnClaim['source']): void {
      upsert.run(subject, jail, kind === 'ban' ? 1 : 0, until, failures, source)
    },
    /** The ban lasts longer than its claim may: it has to be renewed. */
    setEnd(subject: Subject, jail: string, endsAt: number): void {
      updateEnd.run(endsAt, subject, jail)
    },
    /** Our live bans of a subject: what an unban has to lift. */
    bans: (subject: Subject, nowSeconds: number) => read(select.all(subject, nowSeconds)),
    /** All our live bans. */
    live: (nowSeconds: number) => read(selectLive.all(nowSeconds)),
    /** What we have banned in one jail. */
    inJail(jail: string, nowSeconds: number): Subject[] {
      return (selectJail.all(jail, nowSeconds) as { subject: Subject }[]).map((row) => row.subject)
    },
    /** Claims that end by `horizon` though their bans go on. */
    toRenew: (horizon: number, nowSeconds: number, limit: number) =>
      read(selectToRenew.all(horizon, nowSeconds, limit)),
    /** Bans that have ended before an earlier word of ours would. */
    toLift: (nowSeconds: number, limit: number) => read(selectToLift.all(nowSeconds, limit)),
    /** Those that we have said and the ledger does not hold any more, up to `limit`. */
    unsaid: (nowSeconds: number, limit: number) => read(selectUnsaid.all(nowSeconds, limit)),
    get(subject: Subject, jail: string): OwnClaim | null {
      return read([selectOne.get(subject, jail)].filter(Boolean))[0] ?? null
    },
    /** How many of our reports hold at most so many claims. */
    smallReports: (claims: number) => (countSmall.get(claims) as { n: number }).n,
    /** Live claims in such reports, the oldest first. */
    inSmallReports: (claims: number, nowSeconds: number, limit: number) =>
      read(selectSmall.all(claims, nowSeconds, limit)),
    removeEnded(nowSeconds: number): void {
      removeEnded.run(nowSeconds)
    }
  }
}
