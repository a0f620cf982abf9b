/**
 * The one way of every report into this node, ours or theirs, by gossip, sync or command:
 *
 *   ingest(envelope, from) -> decode, verify, check, ledger, judge, hand-off, relay -> Outcome
 *
 * Reports that arrive in one turn of the event loop share one transaction; nobody is told an outcome, no relay leaves
 * and no hand-off starts before it has been committed.
 */
import { checkPath, checkReport, type PathRefusal } from '../core/acceptance.ts'
import type { Hop, PeerId } from '../core/report.ts'
import type { Subject } from '../core/subject.ts'
import type { Database } from '../store/database.ts'
import { transaction } from '../store/database.ts'
import type { KnownReport, Ledger, OwnSource } from '../store/ledger.ts'
import { decodeEnvelope, decodeReport } from '../wire/codec.ts'
import { offerKey } from '../wire/offer-key.ts'
import { verifyReport } from '../wire/signature.ts'
import type { Friends } from './friends.ts'
import type { Offers } from './offers.ts'
import type { Outcome, Refusal } from './outcome.ts'

export interface IngestOptions {
  readonly db: Database
  readonly ledger: Ledger
  readonly friends: Friends
  readonly offers: Offers
  readonly self: PeerId
  readonly network: string
  limits(): {
    /** Envelopes that may wait for their turn; more are refused. */
    readonly queue: number
    readonly maxHops: number
    /** Live claims that may come in by one friend. */
    readonly claimsPerFriend: number
  }
  /** Unix ms. */
  now(): number
  /** Whether a friend may bring this much now; called once per envelope with the number of claims it counts for. */
  admit(friend: PeerId, claims: number): boolean
  /** Judges a subject anew, inside the transaction. */
  review(subject: Subject): void
  /** An envelope with our hop, for all friends; called after the commit. */
  relay(envelope: Uint8Array): void
  /** After every commit that changed something. */
  committed(): void
  /** An exception: a bug of ours or a disk that fails. The transaction was rolled back. */
  failed(error: unknown): void
  /** Every outcome of a friend's envelope, for the counters. */
  counted(from: PeerId, outcome: Outcome): void
}

/** Envelopes in one transaction: long enough to share its cost, short enough to keep the event loop free. */
const TURN_ENVELOPES = 256
/** Claims in one transaction, for the same reason. */
const TURN_CLAIMS = 2000

interface Waiting {
  readonly bytes: Uint8Array
  readonly from: PeerId | null
  readonly own: OwnSource | null
  readonly done: (outcome: Outcome) => void
}

/** What a turn has gathered for after the commit. */
interface Turn {
  readonly dirty: Set<Subject>
  readonly relays: Uint8Array[]
  claims: number
}

export interface Ingest {
  /** Takes an envelope from a friend. */
  (bytes: Uint8Array, from: PeerId): Promise<Outcome>
  /** Takes one of our own. */
  own(bytes: Uint8Array, source: OwnSource): Promise<Outcome>
  /** Judges subjects anew in the next turn, because policy, friends or time have changed. False if the ledger failed. */
  review(subjects: Iterable<Subject>): Promise<boolean>
  waiting(): number
}

export function createIngest(options: IngestOptions): Ingest {
  const { db, ledger, friends, self, network } = options
  const queue: Waiting[] = []
  let reviews: { subjects: Iterable<Subject>; done: (reviewed: boolean) => void }[] = []
  let scheduled = false

  function enqueue(bytes: Uint8Array, from: PeerId | null, own: OwnSource | null): Promise<Outcome> {
    if (queue.length >= options.limits().queue && from !== null) {
      return Promise.resolve(count(from, { kind: 'refused', reason: 'queue-full' }))
    }
    const { promise, resolve } = Promise.withResolvers<Outcome>()
    queue.push({ bytes, from, own, done: resolve })
    schedule()
    return promise
  }

  function schedule(): void {
    if (scheduled) return
    scheduled = true
    setImmediate(runTurn)
  }

  function runTurn(): void {
    scheduled = false
    const turn: Turn = { dirty: new Set(), relays: [], claims: 0 }
    const taken: { waiting: Waiting; outcome: Outcome }[] = []
    const reviewed = reviews
    reviews = []
    let next = 0
    try {
      transaction(db, () => {
        while (next < queue.length && next < TURN_ENVELOPES && turn.claims < TURN_CLAIMS) {
          const waiting = queue[next++]!
          taken.push({ waiting, outcome: take(waiting, turn) })
        }
        for (const { subjects } of reviewed) for (const subject of subjects) turn.dirty.add(subject)
        for (const subject of turn.dirty) options.review(subject)
      })
    } catch (error) {
      ledger.forgetCaches()
      options.failed(error)
      for (const { done } of queue.splice(0, next)) done({ kind: 'refused', reason: 'internal-error' })
      for (const { done } of reviewed) done(false)
      if (queue.length > 0) schedule()
      return
    }
    queue.splice(0, next)
    if (queue.length > 0) schedule()
    for (const envelope of turn.relays) options.relay(envelope)
    if (turn.dirty.size > 0) options.committed()
    for (const { waiting, outcome } of taken)
      waiting.done(waiting.from === null ? outcome : count(waiting.from, outcome))
    for (const { done } of reviewed) done(true)
  }

  function count(from: PeerId, outcome: Outcome): Outcome {
    options.counted(from, outcome)
    return outcome
  }

  /** Size limit, decode, verify, check, ledger: in this order, and nothing is remembered before the signature held. */
  function take({ bytes, from, own }: Waiting, turn: Turn): Outcome {
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
    if (refusal !== null) return refused(refusal)
    if (from !== null && ledger.claimsBroughtBy(from) + report.claims.length > options.limits().claimsPerFriend) {
      return refused('over-quota')
    }
    const recorded = ledger.record({ id: reportId, bytes: reportBytes, signature, report }, from, own)
    if (recorded === null) return refused('stale')
    for (const subject of recorded.subjects) turn.dirty.add(subject)
    const { row } = recorded
    if (from === null) {
      ledger.paths.offer(row, { key: offerKey(reportId, []), via: null }, null)
      turn.relays.push(bytes)
    } else {
      const path = { friend: from, hops }
      ledger.paths.add(row, path, offerKey(reportId, hops))
      relay(
        options.offers.update({ row, id: reportId, relayed: null }, { bytes: reportBytes, signature, paths: [path] }),
        turn
      )
    }
    return { kind: 'accepted', reportId, subjects: recorded.subjects }
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
        for (const subject of ledger.subjectsOf(known.row)) turn.dirty.add(subject)
        relay(options.offers.update(known), turn)
      }
    }
    return { kind: 'duplicate', reportId: known.id }
  }

  function checkPassage(origin: PeerId, hops: readonly Hop[], from: PeerId | null): PathRefusal | null {
    return checkPath({ origin, hops, from, self, maxHops: options.limits().maxHops })
  }

  function relay(envelope: Uint8Array | null, turn: Turn): void {
    if (envelope !== null) turn.relays.push(envelope)
  }

  return Object.assign((bytes: Uint8Array, from: PeerId) => enqueue(bytes, from, null), {
    own: (bytes: Uint8Array, source: OwnSource) => enqueue(bytes, null, source),
    review(subjects: Iterable<Subject>): Promise<boolean> {
      const { promise, resolve } = Promise.withResolvers<boolean>()
      reviews.push({ subjects, done: resolve })
      schedule()
      return promise
    },
    waiting: () => queue.length
  })
}

function refused(reason: Refusal): Outcome {
  return { kind: 'refused', reason }
}
