/**
 * What one envelope goes through, inside the transaction of a turn: size limit, decode, verify, check, ledger. What has to
 * be judged goes on the agenda, what friends have to hear into the turn.
 */
import { checkPath, checkReport, type PathRefusal } from '../core/acceptance.ts'
import type { Hop, PeerId } from '../core/report.ts'
import type { Subject } from '../core/subject.ts'
import type { KnownReport, Ledger, OwnSource } from '../store/ledger.ts'
import { decodeEnvelope, decodeReport } from '../wire/codec.ts'
import { offerKey } from '../wire/offer-key.ts'
import { verifyReport } from '../wire/signature.ts'
import type { Agenda } from './agenda.ts'
import type { Friends } from './friends.ts'
import type { Offers } from './offers.ts'
import { refused, type Outcome } from './outcome.ts'

export interface TakingOptions {
  readonly ledger: Ledger
  readonly friends: Friends
  readonly offers: Offers
  readonly self: PeerId
  readonly network: string
  limits(): {
    readonly maxHops: number
    /** Live claims that may come in by one friend, and bytes of the reports that hold them. */
    readonly claimsPerFriend: number
    readonly bytesPerFriend: number
  }
  /** Unix ms. */
  now(): number
  /** Whether a friend may bring this much now; called once per envelope with the number of claims it counts for. */
  admit(friend: PeerId, claims: number): boolean
  /** Whether a friend has brought as many claims about a subject as may count. */
  isCrowded(subject: Subject, friend: PeerId): boolean
  /** Friends who hear what we say, now. */
  hearers(): Iterable<PeerId>
}

/** `from` a friend; or `own`, by which of our sources. The other one is null. */
export interface Delivery {
  readonly bytes: Uint8Array
  readonly from: PeerId | null
  readonly own: OwnSource | null
}

/** What a turn has gathered for after the commit. */
export interface Turn {
  /** What we have changed ourselves. */
  readonly own: Set<Subject>
  readonly relays: Uint8Array[]
  claims: number
}

export function createTaking(options: TakingOptions, agenda: Agenda) {
  const { ledger, friends, self, network } = options

  /** Size limit, decode, verify, check, ledger: in this order, and nothing is remembered before the signature held. */
  function take({ bytes, from, own }: Delivery, turn: Turn): Outcome {
    const friend = from === null ? null : friends.get(from)
    if (friend === undefined) return refused('not-a-friend')
    if (friend?.paused) return refused('paused')
    const envelope = decodeEnvelope(bytes)
    if (!envelope.ok) return refused(envelope.reason)
    const { reportId, reportBytes, signature, hops } = envelope.value
    const known = ledger.find(reportId)
    if (known !== null) return takeKnown(known, hops, from, turn)
    const decoded = decodeReport(reportBytes)
    if (!decoded.ok) return refused(decoded.reason)
    const report = decoded.value
    if (from !== null && !options.admit(from, report.claims.length)) return refused('over-rate')
    turn.claims += report.claims.length
    if (!verifyReport(network, report.origin, reportBytes, signature)) return refused('bad-signature')
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
      for (const subject of recorded.subjects) turn.own.add(subject)
      ledger.paths.offer(row, { key: offerKey(reportId, []), via: null }, null)
      turn.relays.push(bytes)
    } else {
      agenda.add(from, recorded.subjects)
      const path = { friend: from, hops }
      ledger.paths.add(row, path, offerKey(reportId, hops))
      const recordedNow = { bytes: reportBytes, signature, paths: [path] }
      relay(
        options.offers.update({ row, id: reportId, relayed: null }, recordedNow),
        [report.origin, ...peersOf(hops)],
        turn
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

  /** A known report costs a hash and a look-up. Only its path may be news; its bytes and signature are those we verified. */
  function takeKnown(known: KnownReport, hops: readonly Hop[], from: PeerId | null, turn: Turn): Outcome {
    if (from !== null) {
      if (!options.admit(from, 1)) return refused('over-rate')
      const refusal = checkPassage(known.origin, hops, from)
      // What we sent comes back: everybody publishes to all friends. That is no fault of the friend's, and no evidence.
      const echo = refusal === 'own-origin' || refusal === 'own-hop'
      if (refusal !== null && !echo) return refused(refusal)
      if (!echo && ledger.paths.put(known.row, { friend: from, hops }, offerKey(known.id, hops))) {
        agenda.add(from, ledger.subjectsOf(known.row))
        relay(options.offers.update(known), [known.origin, ...peersOf(hops)], turn)
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
  function relay(envelope: Uint8Array | null, way: readonly PeerId[], turn: Turn): void {
    if (envelope === null) return
    for (const friend of options.hearers()) {
      if (!way.includes(friend)) return void turn.relays.push(envelope)
    }
  }

  return take
}

function peersOf(hops: readonly Hop[]): PeerId[] {
  return hops.map(({ peer }) => peer)
}
