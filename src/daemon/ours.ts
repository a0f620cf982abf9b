/**
 * Our own reports: bans and lifts by command or by the local fail2ban, signed and sent through `ingest` like any other.
 *
 * The first claim leaves at once; what is said in one go, or while a report is under way, shares a report: without a timer.
 */
import type { KeyObject } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { PROTOCOL_LIMITS } from '../core/limits.ts'
import type { Claim, PeerId, ReportId } from '../core/report.ts'
import type { Subject } from '../core/subject.ts'
import type { Ledger, OwnSource } from '../store/ledger.ts'
import type { OwnClaim } from '../store/own-claims.ts'
import { encodeEnvelope, encodeReport } from '../wire/codec.ts'
import { signReport } from '../wire/signature.ts'
import type { Ingest } from './ingest.ts'
import type { Outcome } from './outcome.ts'

export interface OursOptions {
  readonly ledger: Ledger
  readonly ingest: Ingest
  readonly self: PeerId
  readonly network: string
  readonly signingKey: KeyObject
  now(): number
  /** The ledger can't be written. */
  failed(error: unknown): void
}

/** `claim` is refused only by a bug or a failing disk; `report` is null if there was nothing to say. */
export interface Said {
  readonly outcome: Outcome | null
  readonly reportId: ReportId | null
}

export interface Ours {
  /**
   * Resolves when the claim is in the ledger, before it has left. `endsAt`: Unix seconds at which the ban behind it ends,
   * if that is later than a claim may last; the claim is then renewed in time.
   */
  say(claim: Claim, source: OwnSource, endsAt?: number): Promise<Said>
  /** Lifts our live bans of a subject, in one jail or (null) in all. */
  lift(subject: Subject, jail: string | null, source: OwnSource): Promise<Said>
  /** Says something new about what we said before, unless we have said something else by the time that it is its turn. */
  restate(before: OwnClaim, claim: Claim): Promise<Said>
}

interface Waiting {
  readonly subject: Subject
  /** Read when its turn has come: a lift has to see the bans that were said before it. */
  readonly claims: () => readonly Claim[]
  readonly source: OwnSource
  readonly done: (said: Said) => void
}

const NOTHING_SAID: Said = { outcome: null, reportId: null }
const NOT_SAID: Said = { outcome: { kind: 'refused', reason: 'internal-error' }, reportId: null }

export function createOurs({ ledger, ingest, self, network, signingKey, now, failed }: OursOptions): Ours {
  const waiting: Waiting[] = []
  let sending = false

  async function send(): Promise<void> {
    while (waiting.length > 0) {
      let turn: { batch: Waiting[]; claims: Claim[] }
      try {
        turn = takeBatch(waiting)
      } catch (error) {
        // The ledger can't be read; everybody may ask again.
        failed(error)
        for (const { done } of waiting.splice(0)) done(NOT_SAID)
        break
      }
      const { batch, claims } = turn
      const said = claims.length === 0 ? NOTHING_SAID : await issue(claims, batch[0]!.source)
      for (const { done } of batch) done(said)
    }
    sending = false
  }

  async function issue(claims: readonly Claim[], source: OwnSource): Promise<Said> {
    let issuedAt: number
    try {
      issuedAt = ledger.issueClock.next(now())
    } catch (error) {
      failed(error)
      return NOT_SAID
    }
    const reportBytes = encodeReport({ origin: self, issuedAt, claims })
    const signature = signReport(network, signingKey, reportBytes)
    const outcome = await ingest.own(encodeEnvelope({ reportBytes, signature, hops: [] }), source)
    return { outcome, reportId: outcome.kind === 'refused' ? null : outcome.reportId }
  }

  /** Without it the ban is not renewed in time; the hook's event then stays in the spool, and is said once more. */
  function setEnd(said: Said, { subject, jail }: { subject: Subject; jail: string }, endsAt: number): Said {
    try {
      ledger.ownClaims.setEnd(subject, jail, endsAt)
      return said
    } catch (error) {
      failed(error)
      return NOT_SAID
    }
  }

  function enqueue(subject: Subject, claims: () => readonly Claim[], source: OwnSource): Promise<Said> {
    const { promise, resolve } = Promise.withResolvers<Said>()
    waiting.push({ subject, claims, source, done: resolve })
    if (!sending) {
      sending = true
      // What is said in one go shares a report.
      queueMicrotask(() => void send())
    }
    return promise
  }

  return {
    async say(claim, source, endsAt = claim.until) {
      const said = await enqueue(claim.subject, () => [claim], source)
      return said.reportId !== null && endsAt > claim.until ? setEnd(said, claim, endsAt) : said
    },
    lift(subject, jail, source) {
      const bans = () => ledger.ownClaims.bans(subject, Math.floor(now() / 1000))
      const wanted = () => bans().filter((ban) => jail === null || ban.jail === jail)
      return enqueue(subject, () => wanted().map(liftOf), source)
    },
    async restate(before, claim) {
      const { subject, jail, source, endsAt } = before
      const unchanged = () => isDeepStrictEqual(ledger.ownClaims.get(subject, jail), before)
      const said = await enqueue(subject, () => (unchanged() ? [claim] : []), source)
      return said.reportId !== null && claim.kind === 'ban' ? setEnd(said, { subject, jail }, endsAt) : said
    }
  }
}

/** It lasts as long as anything that we ever said about the register, for whoever was away since. */
export function liftOf({ subject, jail, kept, failures }: OwnClaim): Claim {
  return { kind: 'unban', subject, jail, until: kept, failures }
}

/** The longest run of one source that fits into one report, and says nothing twice about a subject. */
function takeBatch(waiting: Waiting[]): { batch: Waiting[]; claims: Claim[] } {
  const subjects = new Set<Subject>()
  const claims: Claim[] = []
  const source = waiting[0]!.source
  for (const entry of waiting) {
    if (entry.source !== source || subjects.has(entry.subject)) break
    const more = entry.claims().slice(0, PROTOCOL_LIMITS.claims)
    if (claims.length + more.length > PROTOCOL_LIMITS.claims) break
    claims.push(...more)
    subjects.add(entry.subject)
  }
  return { batch: waiting.splice(0, subjects.size), claims }
}
