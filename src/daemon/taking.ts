/**
 * What becomes of an envelope whose signature holds, inside the transaction of a turn: check, ledger. What has to be judged
 * goes on the agenda, what friends have to hear into the turn.
 */
import { checkPath, checkReport, type PathRefusal } from '../core/acceptance.ts'
import type { Hop, PeerId } from '../core/report.ts'
import type { Subject } from '../core/subject.ts'
import type { KnownReport, Ledger } from '../store/ledger.ts'
import { offerKey } from '../wire/offer-key.ts'
import type { Agenda } from './agenda.ts'
import type { Offers } from './offers.ts'
import { refused, type Outcome } from './outcome.ts'
import { refusalOf, type Screened, type ScreeningOptions } from './screening.ts'

export interface TakingOptions extends ScreeningOptions {
  readonly ledger: Ledger
  readonly offers: Offers
  readonly self: PeerId
  limits(): {
    readonly maxHops: number
    /** Live claims that may come in by one friend, and bytes of the reports that hold them. */
    readonly claimsPerFriend: number
    readonly bytesPerFriend: number
  }
  /** Unix ms. */
  now(): number
  /** Whether a friend has brought as many claims about a subject as may count. */
  isCrowded(subject: Subject, friend: PeerId): boolean
  /** Friends who hear what we say, now. */
  hearers(): Iterable<PeerId>
}

export function createTaking(options: TakingOptions, agenda: Agenda) {
  const { ledger, friends, self } = options

  /** Envelopes for friends, to leave after the commit, are added to `relays`. */
  function take({ bytes, from, own, envelope, report }: Screened, relays: Uint8Array[]): Outcome {
    // Since it was screened a friend may have gone, and reports may have come or expired.
    const unwelcome = refusalOf(from, friends)
    if (unwelcome !== null) return refused(unwelcome)
    const { reportId, reportBytes, signature, hops } = envelope
    const known = ledger.find(reportId)
    if (known !== null) return takeKnown(known, hops, from, report !== null, relays)
    if (report === null) return refused('stale')
    const refusal = checkPassage(report.origin, hops, from) ?? checkReport(report, options.now())
    // Our own clock was ahead when we spoke last, and what we say has to be later still: friends take it in a while, by sync.
    const isOurFuture = refusal === 'future' && from === null
    if (refusal !== null && !isOurFuture) return refused(refusal)
    if (from !== null && isOverQuota(from, report.claims.length, reportBytes.length)) return refused('over-quota')
    const isCrowded = (subject: Subject): boolean => from !== null && options.isCrowded(subject, from)
    const recorded = ledger.record({ id: reportId, bytes: reportBytes, signature, report }, from, own, isCrowded)
    if (recorded === null) return refused(report.claims.some(({ subject }) => isCrowded(subject)) ? 'crowded' : 'stale')
    const { row } = recorded
    if (from === null) {
      ledger.paths.offer(row, { key: offerKey(reportId, []), via: null }, null)
      relays.push(bytes)
    } else {
      agenda.add(from, recorded.subjects)
      const path = { friend: from, hops }
      ledger.paths.put(row, path, offerKey(reportId, hops))
      const recordedNow = { bytes: reportBytes, signature, paths: [path] }
      relay(
        options.offers.update({ row, id: reportId, relayed: null }, recordedNow),
        [report.origin, ...peersOf(hops)],
        relays
      )
    }
    return {
      kind: 'accepted',
      reportId,
      subjects: recorded.subjects,
      issuedAt: report.issuedAt,
      nodes: hops.length + 1
    }
  }

  /**
   * Only the path of a known report may be news, and then it counts for all the claims that have to be judged again.
   * `isPaid`: it was not known yet when it was screened, and has been counted there.
   */
  function takeKnown(
    known: KnownReport,
    hops: readonly Hop[],
    from: PeerId | null,
    isPaid: boolean,
    relays: Uint8Array[]
  ): Outcome {
    if (from !== null) {
      const refusal = checkPassage(known.origin, hops, from)
      // What we sent comes back: everybody publishes to all friends. That is no fault of the friend's, and no evidence.
      const echo = refusal === 'own-origin' || refusal === 'own-hop'
      const path = { friend: from, hops }
      const subjects = refusal === null && ledger.paths.isNews(known.row, path) ? ledger.subjectsOf(known.row) : []
      if (!isPaid && !options.admit(from, Math.max(1, subjects.length))) return refused('over-rate')
      if (refusal !== null && !echo) return refused(refusal)
      if (subjects.length > 0) {
        ledger.paths.put(known.row, path, offerKey(known.id, hops))
        agenda.add(from, subjects)
        relay(options.offers.update(known), [known.origin, ...peersOf(hops)], relays)
      }
    }
    return { kind: 'duplicate', reportId: known.id }
  }

  function isOverQuota(from: PeerId, claims: number, bytes: number): boolean {
    const { claimsPerFriend, bytesPerFriend } = options.limits()
    const brought = ledger.broughtBy(from)
    return brought.claims + claims > claimsPerFriend || brought.bytes + bytes > bytesPerFriend
  }

  function checkPassage(origin: PeerId, hops: readonly Hop[], from: PeerId | null): PathRefusal | null {
    return checkPath({ origin, hops, from, self, maxHops: options.limits().maxHops })
  }

  /** Unless all friends who would hear it have been on its way: to them it would be an echo. */
  function relay(envelope: Uint8Array | null, way: readonly PeerId[], relays: Uint8Array[]): void {
    if (envelope === null) return
    for (const friend of options.hearers()) {
      if (!way.includes(friend)) return void relays.push(envelope)
    }
  }

  return take
}

function peersOf(hops: readonly Hop[]): PeerId[] {
  return hops.map(({ peer }) => peer)
}
