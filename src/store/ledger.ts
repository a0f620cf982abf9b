/**
 * The ledger: signed reports verbatim, the registers that they hold, and the paths by which friends brought them.
 *
 * A report stays while it holds at least one register; what a newer report of the same origin has overwritten, or what
 * has expired, is gone. So the reports in the ledger are exactly the live ones, on every node alike.
 */
import { Buffer } from 'node:buffer'
import { supersedes, type Issue } from '../core/acceptance.ts'
import type { Claim, PeerId, Ppm, Report, ReportId } from '../core/report.ts'
import type { Subject } from '../core/subject.ts'
import { transaction, type Database } from './database.ts'
import { createIssueClock } from './issue-clock.ts'
import { createNames } from './names.ts'
import { createOwnClaims } from './own-claims.ts'
import { createPaths, type StoredPath } from './paths.ts'
import { createQuota, type Brought } from './quota.ts'

/** Who made a claim of our own: the operator by command, or the local fail2ban, which then already holds the ban. */
export type OwnSource = 'command' | 'fail2ban'

const OWN_CODES = { mesh: 0, command: 1, fail2ban: 2 } as const

export interface SignedReport {
  readonly id: ReportId
  readonly bytes: Uint8Array
  readonly signature: Uint8Array
  readonly report: Report
}

/** A live ban claim about one subject. `paths` is empty for our own. */
export interface StoredClaim {
  readonly origin: PeerId
  readonly jail: string
  readonly until: number
  readonly issuedAt: number
  readonly own: OwnSource | null
  readonly paths: readonly StoredPath[]
}

/** A report's place in the ledger; valid while the report is in it. */
export type ReportRow = number & { readonly __row: true }

/** As its origin signed it. */
export interface StoredReport {
  readonly bytes: Uint8Array
  readonly signature: Uint8Array
}

export interface KnownReport {
  readonly id: ReportId
  readonly row: ReportRow
  readonly origin: PeerId
  /** Our confidence when we last relayed it, or null. */
  readonly relayed: Ppm | null
}

interface Held {
  live: number
  broughtBy: number | null
}

type BanRow = [origin: number, jail: number, until: number, own: number, report: ReportRow, issuedAt: number]

interface Removed extends Held {
  bytes: number
}

export type Ledger = ReturnType<typeof createLedger>

export function createLedger(db: Database) {
  const names = createNames(db)
  const issueClock = createIssueClock(db)
  const { peers, jails } = names
  const paths = createPaths(db, peers)
  const ownClaims = createOwnClaims(db)
  const quota = createQuota(db)

  const selectReport = db.prepare('SELECT id AS row, origin, relayed FROM reports WHERE digest = ?')
  const selectReportsAfter = db.prepare(
    'SELECT id AS row, origin, relayed, digest FROM reports WHERE id > ? ORDER BY id LIMIT ?'
  )
  const insertReport = db.prepare(
    `INSERT INTO reports (digest, origin, issued_at, bytes, signature, expires_at, brought_by, live)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`
  )
  const selectEnvelope = db.prepare('SELECT bytes, signature FROM reports WHERE id = ?')
  const updateLive = db.prepare(
    'UPDATE reports SET live = live - ?2 WHERE id = ?1 RETURNING live, brought_by AS broughtBy'
  )
  const deleteReport = db.prepare(
    'DELETE FROM reports WHERE id = ? RETURNING live, brought_by AS broughtBy, length(bytes) AS bytes'
  )
  const selectExpired = db.prepare('SELECT id FROM reports WHERE expires_at <= ? LIMIT ?')
  const selectOwnAfter = db.prepare('SELECT id FROM reports WHERE issued_at > ? AND brought_by IS NULL LIMIT ?')
  const countReports = db.prepare('SELECT count(*) AS n FROM reports')

  const selectRegister = db.prepare(
    `SELECT claims.report, reports.issued_at AS issuedAt, reports.digest
     FROM claims JOIN reports ON reports.id = claims.report
     WHERE claims.subject = ? AND claims.origin = ? AND claims.jail = ?`
  )
  const upsertClaim = db.prepare(
    `INSERT INTO claims (subject, origin, jail, ban, until, failures, report, own) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET ban = excluded.ban, until = excluded.until, failures = excluded.failures,
       report = excluded.report, own = excluded.own`
  )
  const selectBans = db.prepare(
    `SELECT claims.origin, claims.jail, claims.until, claims.own, claims.report, reports.issued_at AS issuedAt
     FROM claims JOIN reports ON reports.id = claims.report
     WHERE claims.subject = ? AND claims.ban = 1 AND claims.until > ?`
  )
  // An object for each row would take longer than the rest of it.
  selectBans.setReturnArrays(true)
  const selectSubjects = db.prepare('SELECT DISTINCT subject FROM claims WHERE report = ?')
  const deleteClaims = db.prepare('DELETE FROM claims WHERE report = ?')
  const countClaims = db.prepare('SELECT count(*) AS n FROM claims')
  const nextSubjects = db.prepare('SELECT DISTINCT subject FROM claims WHERE subject > ? ORDER BY subject LIMIT ?')

  /** Reports have lost so many registers; with the last of them a report goes. */
  function release(lost: ReadonlyMap<number, number>): void {
    for (const [row, registers] of lost) {
      const { live, broughtBy } = updateLive.get(row, registers) as unknown as Held
      quota.add(broughtBy, -registers, 0)
      if (live === 0) remove(row)
    }
  }

  function remove(row: number): void {
    paths.remove(row)
    const { live, broughtBy, bytes } = deleteReport.get(row) as unknown as Removed
    quota.add(broughtBy, -live, -bytes)
  }

  function subjectsOf(row: ReportRow): Subject[] {
    return (selectSubjects.all(row) as { subject: Subject }[]).map(({ subject }) => subject)
  }

  /** With the registers that it holds. */
  function removeWhole(row: ReportRow): void {
    deleteClaims.run(row)
    remove(row)
  }

  return {
    find(id: ReportId): KnownReport | null {
      const found = selectReport.get(Buffer.from(id, 'hex')) as
        | { row: ReportRow; origin: number; relayed: number | null }
        | undefined
      return found === undefined ? null : { ...found, id, origin: peers.name(found.origin) as PeerId }
    },

    /**
     * Takes a verified report that is not in the ledger yet. Null, and nothing is stored, if newer reports of its origin
     * have overwritten every register that it speaks about, or those that it would begin are of subjects that `skips`
     * names. Of `broughtBy` and `own`, one is null.
     */
    record(
      signed: SignedReport,
      broughtBy: PeerId | null,
      own: OwnSource | null,
      skips: (subject: Subject) => boolean = () => false
    ): { row: ReportRow; subjects: Subject[] } | null {
      const { report, bytes, signature } = signed
      const digest = Buffer.from(signed.id, 'hex')
      const origin = peers.id(report.origin)
      const winners: { claim: Claim; jail: number; previous: number | null }[] = []
      for (const claim of report.claims) {
        const jail = jails.id(claim.jail)
        const held = selectRegister.get(claim.subject, origin, jail) as
          | { report: number; issuedAt: number; digest: Uint8Array }
          | undefined
        if (held === undefined && skips(claim.subject)) continue
        if (held !== undefined && !supersedes({ issuedAt: report.issuedAt, id: signed.id }, issueOf(held))) continue
        winners.push({ claim, jail, previous: held?.report ?? null })
      }
      if (winners.length === 0) return null
      const expiresAt = winners.reduce((latest, { claim }) => Math.max(latest, claim.until), 0)
      const { issuedAt } = report
      const by = broughtBy === null ? null : peers.id(broughtBy)
      const live = winners.length
      const inserted = insertReport.get(digest, origin, issuedAt, bytes, signature, expiresAt, by, live)
      const { id: row } = inserted as { id: ReportRow }
      if (own !== null) issueClock.keep(issuedAt)
      quota.add(by, live, bytes.length)
      // Each is written once: its row holds all its bytes.
      const lost = new Map<number, number>()
      for (const { claim, jail, previous } of winners) {
        const ban = claim.kind === 'ban' ? 1 : 0
        const { subject, until, failures } = claim
        upsertClaim.run(subject, origin, jail, ban, until, failures, row, OWN_CODES[own ?? 'mesh'])
        if (previous !== null) lost.set(previous, (lost.get(previous) ?? 0) + 1)
        if (own !== null) ownClaims.put(claim, own)
      }
      release(lost)
      return { row, subjects: [...new Set(winners.map(({ claim }) => claim.subject))] }
    },

    paths,
    ownClaims,
    issueClock,
    names: {
      counts: names.counts,
      hasManyNew: names.hasManyNew,
      collect: (limit: number) => names.collect(limit, paths.peersUsed)
    },
    /** Live claims that came in by a friend first. */
    claimsBroughtBy: (friend: PeerId) => quota.of(peers.id(friend)).claims,
    /** These claims, and the bytes of their reports. */
    broughtBy: (friend: PeerId): Brought => quota.of(peers.id(friend)),

    subjectsOf,

    /** The report as its origin signed it; null if it has gone. */
    envelopeOf(row: ReportRow): StoredReport | null {
      return (selectEnvelope.get(row) as StoredReport | undefined) ?? null
    },

    /** Up to `limit` reports after the given row (0: from the first). */
    reportsAfter(row: ReportRow | 0, limit: number): KnownReport[] {
      const rows = selectReportsAfter.all(row, limit) as {
        row: ReportRow
        origin: number
        relayed: number | null
        digest: Uint8Array
      }[]
      return rows.map(({ digest, origin, ...rest }) => ({
        ...rest,
        id: Buffer.from(digest).toString('hex') as ReportId,
        origin: peers.name(origin) as PeerId
      }))
    },

    /** Every live ban claim about a subject, our own among them. */
    bans(subject: Subject, nowSeconds: number): StoredClaim[] {
      const rows = selectBans.all(subject, nowSeconds) as unknown as BanRow[]
      return rows.map(([origin, jail, until, own, report, issuedAt]) => ({
        origin: peers.name(origin) as PeerId,
        jail: jails.name(jail),
        until,
        issuedAt,
        own: own === OWN_CODES.command ? 'command' : own === OWN_CODES.fail2ban ? 'fail2ban' : null,
        paths: own === OWN_CODES.mesh ? paths.of(report) : []
      }))
    },

    /** Up to `limit` subjects with claims, in order, after the given one (empty text: from the first). */
    subjectsAfter(subject: Subject | '', limit: number): Subject[] {
      return (nextSubjects.all(subject, limit) as { subject: Subject }[]).map((row) => row.subject)
    },

    /** Removes up to `limit` reports of which every claim has ended; returns how many. */
    expire(nowSeconds: number, limit: number): number {
      const rows = selectExpired.all(nowSeconds, limit) as { id: ReportRow }[]
      if (rows.length > 0) transaction(db, () => rows.forEach(({ id }) => removeWhole(id)))
      return rows.length
    },

    /**
     * Takes back up to `limit` of our reports that were issued after `latest` (Unix ms): nobody takes them, and all that we
     * say after them would have to be later still. The next ones begin again from `now`. Returns their subjects.
     */
    forgetOwnAfter(latest: number, now: number, limit: number): Subject[] {
      const rows = selectOwnAfter.all(latest, limit) as { id: ReportRow }[]
      return transaction(db, () => {
        const subjects = new Set(rows.flatMap(({ id }) => subjectsOf(id)))
        for (const { id } of rows) removeWhole(id)
        if (rows.length < limit) issueClock.reset(now)
        return [...subjects]
      })
    },

    counts(): { readonly reports: number; readonly claims: number } {
      return {
        reports: (countReports.get() as { n: number }).n,
        claims: (countClaims.get() as { n: number }).n
      }
    },

    /** To be called after a rollback. */
    forgetCaches(): void {
      names.clear()
      paths.forgetCaches()
      quota.reload()
    }
  }
}

function issueOf({ issuedAt, digest }: { issuedAt: number; digest: Uint8Array }): Issue {
  return { issuedAt, id: Buffer.from(digest).toString('hex') as ReportId }
}
