/**
 * The one way of every report into this node, ours or theirs, by gossip, sync or command:
 *
 *   ingest(envelope, from) -> decode, verify, check, ledger, judge, hand-off, relay -> Outcome
 *
 * Reports that arrive in one turn of the event loop share one transaction; nobody is told an outcome, no relay leaves
 * and no hand-off starts before it has been committed.
 */
import { checkPath, checkReport, type PathRefusal } from '../core/acceptance.ts'
import { createFairQueue } from '../core/fair-queue.ts'
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
    /** Envelopes that may wait for their turn, of all friends together, and of one; more are refused. */
    readonly queue: number
    readonly friendQueue: number
    readonly friendQueueBytes: number
    readonly maxHops: number
    /** Live claims that may come in by one friend, and bytes of the reports that hold them. */
    readonly claimsPerFriend: number
    readonly bytesPerFriend: number
  }
  /** Unix ms. */
  now(): number
  /** Whether a friend may bring this much now; called once per envelope with the number of claims it counts for. */
  admit(friend: PeerId, claims: number): boolean
  /** Whether a friend is shut out for now: its envelopes are not looked at. */
  isShutOut(friend: PeerId): boolean
  /** Whether a friend has brought as many claims about a subject as may count. */
  isCrowded(subject: Subject, friend: PeerId): boolean
  /** Judges a subject anew, inside the transaction; returns how many claims had to be looked at. */
  review(subject: Subject): number
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
const TURN_CLAIMS = 1000
/** Claims looked at by the judgements of one transaction (about 10 us each); further subjects are judged in the next one. */
const TURN_EVIDENCE = 2000
/** A subject with more claims is dear to judge, and one claim more or less seldom matters: ... */
const HEAVY_CLAIMS = 100
/** ... so however fast friends add claims, it is judged once in so many milliseconds. */
const HEAVY_REST_MS = 1000
/** Until what waits is tried again without being asked: after a failure of the ledger, or because it rests. */
const RETRY_MS = 1000

interface Waiting {
  readonly bytes: Uint8Array
  readonly from: PeerId | null
  readonly own: OwnSource | null
  readonly done: (outcome: Outcome) => void
}

/** What a turn has gathered for after the commit. */
interface Turn {
  /** What friends have changed; it may have to wait. */
  readonly dirty: Set<Subject>
  /** What we have changed ourselves. */
  readonly own: Set<Subject>
  readonly relays: Uint8Array[]
  claims: number
}

interface Review {
  /** Those that are not judged yet. */
  readonly subjects: Set<Subject>
  readonly done: (reviewed: boolean) => void
}

interface Taken {
  readonly waiting: Waiting
  readonly outcome: Outcome
}

export interface Ingest {
  /** Takes an envelope from a friend. */
  (bytes: Uint8Array, from: PeerId): Promise<Outcome>
  /** Takes one of our own. */
  own(bytes: Uint8Array, source: OwnSource): Promise<Outcome>
  /** Judges subjects anew in the next turn, because policy, friends or time have changed. False if the ledger failed. */
  review(subjects: Iterable<Subject>): Promise<boolean>
  waiting(): number
  /** Nothing is taken any more, and what waits is refused. To be called before the ledger is closed. */
  stop(): void
}

export function createIngest(options: IngestOptions): Ingest {
  const { db, ledger, friends, self, network } = options
  /** Each friend is a source, and we are one. */
  const queue = createFairQueue<PeerId, Waiting>()
  /** Of a turn that failed: each is tried once more, in a turn of its own, so that it harms nobody but itself. */
  let suspects: Waiting[] = []
  /** Changed by friends, and not judged yet. */
  const dirty = new Set<Subject>()
  /** When (Unix ms) a subject with many claims was judged; for as long as it rests. */
  const rested = new Map<Subject, number>()
  let reviews: Review[] = []
  let scheduled = false
  let stopped = false
  let retry: NodeJS.Timeout | undefined

  function enqueue(bytes: Uint8Array, from: PeerId | null, own: OwnSource | null): Promise<Outcome> {
    const refusal = from === null ? null : refuseUnseen(bytes, from)
    if (refusal !== null) return Promise.resolve(count(from!, refused(refusal)))
    if (stopped) return Promise.resolve(refused('internal-error'))
    const { promise, resolve } = Promise.withResolvers<Outcome>()
    queue.push(from ?? self, { bytes, from, own, done: resolve }, bytes.length)
    schedule()
    return promise
  }

  function refuseUnseen(bytes: Uint8Array, from: PeerId): Refusal | null {
    const limits = options.limits()
    if (stopped) return 'internal-error'
    if (options.isShutOut(from)) return 'breaker'
    if (queue.size() >= limits.queue) return 'queue-full'
    const { items, weight } = queue.load(from)
    const isFull = items >= limits.friendQueue || (items > 0 && weight + bytes.length > limits.friendQueueBytes)
    return isFull ? 'over-rate' : null
  }

  function schedule(): void {
    if (scheduled || stopped) return
    scheduled = true
    clearTimeout(retry)
    setImmediate(runTurn)
  }

  function runTurn(): void {
    scheduled = false
    if (stopped) return
    const turn: Turn = { dirty: new Set(), own: new Set(), relays: [], claims: 0 }
    const batch: Waiting[] = []
    const outcomes: Taken[] = []
    const judged = new Set<Subject>()
    try {
      transaction(db, () => {
        for (let waiting = next(batch, turn); waiting !== undefined; waiting = next(batch, turn)) {
          batch.push(waiting)
          outcomes.push({ waiting, outcome: take(waiting, turn) })
        }
        judgeSome(turn, judged)
      })
    } catch (error) {
      fail(error, batch)
      return
    }
    for (const subject of turn.dirty) dirty.add(subject)
    for (const subject of judged) dirty.delete(subject)
    for (const envelope of turn.relays) options.relay(envelope)
    if (judged.size > 0) options.committed()
    for (const { waiting, outcome } of outcomes) {
      waiting.done(waiting.from === null ? outcome : count(waiting.from, outcome))
    }
    settleReviews(judged)
    for (const subject of rested.keys()) if (!isResting(subject)) rested.delete(subject)
    scheduleRest()
  }

  /** At once if something can be done at once. */
  function scheduleRest(): void {
    const canGoOn = suspects.length + queue.size() + reviews.length > 0 || dirty.keys().some((one) => !isResting(one))
    if (canGoOn) schedule()
    else if (dirty.size > 0 && !scheduled) {
      clearTimeout(retry)
      retry = setTimeout(schedule, RETRY_MS).unref()
    }
  }

  function next(batch: readonly Waiting[], turn: Turn): Waiting | undefined {
    if (suspects.length > 0) return batch.length === 0 ? suspects.shift() : undefined
    return batch.length < TURN_ENVELOPES && turn.claims < TURN_CLAIMS ? queue.take() : undefined
  }

  /** Our own words, then whatever was asked for, then what friends have changed: as much as one turn may take. */
  function judgeSome(turn: Turn, judged: Set<Subject>): void {
    let looked = 0
    function judge(subject: Subject): void {
      if (judged.has(subject)) return
      judged.add(subject)
      const claims = options.review(subject)
      looked += claims
      if (claims > HEAVY_CLAIMS) rested.set(subject, options.now())
    }
    for (const subject of turn.own) judge(subject)
    for (const { subjects } of reviews) {
      for (const subject of subjects) {
        if (looked >= TURN_EVIDENCE) return
        judge(subject)
      }
    }
    for (const subjects of [dirty, turn.dirty]) {
      for (const subject of subjects) {
        if (looked >= TURN_EVIDENCE) return
        if (!isResting(subject)) judge(subject)
      }
    }
  }

  /** Also if the clock was set back. */
  function isResting(subject: Subject): boolean {
    const since = rested.get(subject)
    return since !== undefined && Math.abs(options.now() - since) < HEAVY_REST_MS
  }

  function settleReviews(judged: ReadonlySet<Subject>): void {
    const open: Review[] = []
    for (const review of reviews) {
      for (const subject of review.subjects) if (judged.has(subject)) review.subjects.delete(subject)
      if (review.subjects.size > 0) open.push(review)
      else review.done(true)
    }
    reviews = open
  }

  /** Rolled back: of several envelopes perhaps one is to blame, which nobody else shall suffer for. */
  function fail(error: unknown, batch: readonly Waiting[]): void {
    if (batch.length > 1) suspects = [...batch, ...suspects]
    try {
      ledger.forgetCaches()
    } catch {
      // The ledger can't be read either; the next turn will find out.
    }
    if (batch.length <= 1) {
      options.failed(error)
      for (const { from, done } of batch) {
        const outcome = refused('internal-error')
        done(from === null ? outcome : count(from, outcome))
      }
    }
    const waitingForIt = reviews
    reviews = []
    for (const { done } of waitingForIt) done(false)
    if (suspects.length + queue.size() > 0) schedule()
    else if (dirty.size > 0) retry = setTimeout(schedule, RETRY_MS).unref()
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
    // Our own clock was ahead when we spoke last, and what we say has to be later still: friends take it in a while, by sync.
    const isOurFuture = refusal === 'future' && from === null
    if (refusal !== null && !isOurFuture) return refused(refusal)
    if (from !== null && isOverQuota(from, report.claims.length, reportBytes.length)) return refused('over-quota')
    const isCrowded = (subject: Subject): boolean => from !== null && options.isCrowded(subject, from)
    const recorded = ledger.record({ id: reportId, bytes: reportBytes, signature, report }, from, own, isCrowded)
    if (recorded === null) return refused(report.claims.some(({ subject }) => isCrowded(subject)) ? 'crowded' : 'stale')
    for (const subject of recorded.subjects) (from === null ? turn.own : turn.dirty).add(subject)
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

  function isOverQuota(from: PeerId, claims: number, bytes: number): boolean {
    const { claimsPerFriend, bytesPerFriend } = options.limits()
    const brought = ledger.broughtBy(from)
    return brought.claims + claims > claimsPerFriend || brought.bytes + bytes > bytesPerFriend
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
      if (stopped) return Promise.resolve(false)
      const { promise, resolve } = Promise.withResolvers<boolean>()
      reviews.push({ subjects: new Set(subjects), done: resolve })
      schedule()
      return promise
    },
    waiting: () => queue.size(),
    stop() {
      stopped = true
      clearTimeout(retry)
      for (const { done } of suspects) done(refused('internal-error'))
      for (let waiting = queue.take(); waiting !== undefined; waiting = queue.take()) {
        waiting.done(refused('internal-error'))
      }
      for (const { done } of reviews) done(false)
    }
  })
}

function refused(reason: Refusal): Outcome {
  return { kind: 'refused', reason }
}
