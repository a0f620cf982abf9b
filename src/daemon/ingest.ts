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
import { createAgenda } from './agenda.ts'
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
  /** Friends who hear what we say, now. */
  hearers(): Iterable<PeerId>
  /** An envelope with our hop, for all friends; called after the commit. */
  relay(envelope: Uint8Array): void
  /** After every commit that changed something. */
  committed(): void
  /** An exception: a bug of ours or a disk that fails. The transaction was rolled back. */
  failed(error: unknown): void
  /** Every outcome of a friend's envelope, for the counters. */
  counted(from: PeerId, outcome: Outcome): void
}

/**
 * Milliseconds that one turn of the event loop may spend on taking envelopes, and once more on judging; one of each is
 * always done. So whatever friends send, everything else comes in between.
 */
const TURN_MS = 15
/** Envelopes, and claims, in one transaction, by whatever clock. */
const TURN_ENVELOPES = 256
const TURN_CLAIMS = 1000
/** A friend that has changed so many subjects which are not judged yet waits, with all that it says. */
const BACKLOG_SUBJECTS = 2000
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
  /** What we have changed ourselves. */
  readonly own: Set<Subject>
  readonly relays: Uint8Array[]
  claims: number
  /** Whether it has taken its time since it was asked to begin. */
  readonly isOver: () => boolean
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
  const agenda = createAgenda({ review: options.review, now: options.now })
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
    const turn: Turn = { own: new Set(), relays: [], claims: 0, isOver: stopwatch(options.now) }
    const batch: Waiting[] = []
    const outcomes: Taken[] = []
    try {
      transaction(db, () => {
        for (let waiting = next(batch, turn); waiting !== undefined; waiting = next(batch, turn)) {
          batch.push(waiting)
          outcomes.push({ waiting, outcome: take(waiting, turn) })
        }
        agenda.judge(turn.own, stopwatch(options.now))
      })
    } catch (error) {
      fail(error, batch)
      return
    }
    for (const envelope of turn.relays) options.relay(envelope)
    if (agenda.committed() > 0) options.committed()
    for (const { waiting, outcome } of outcomes) {
      waiting.done(waiting.from === null ? outcome : count(waiting.from, outcome))
    }
    scheduleRest()
  }

  /** At once if something can be done at once. */
  function scheduleRest(): void {
    const state = agenda.state()
    if (suspects.length + queue.size() > 0 || state === 'ready') schedule()
    else if (state === 'resting') tryLater()
  }

  function tryLater(): void {
    if (scheduled) return
    clearTimeout(retry)
    retry = setTimeout(schedule, RETRY_MS).unref()
  }

  function next(batch: readonly Waiting[], turn: Turn): Waiting | undefined {
    if (suspects.length > 0) return batch.length === 0 ? suspects.shift() : undefined
    const isFull = batch.length >= TURN_ENVELOPES || turn.claims >= TURN_CLAIMS
    if (isFull || (batch.length > 0 && turn.isOver())) return undefined
    return queue.take((source) => agenda.backlog(source) >= BACKLOG_SUBJECTS)
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
    agenda.rolledBack()
    if (suspects.length + queue.size() > 0) schedule()
    else if (agenda.state() !== 'empty') tryLater()
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

  return Object.assign((bytes: Uint8Array, from: PeerId) => enqueue(bytes, from, null), {
    own: (bytes: Uint8Array, source: OwnSource) => enqueue(bytes, null, source),
    review(subjects: Iterable<Subject>): Promise<boolean> {
      if (stopped) return Promise.resolve(false)
      const judged = agenda.ask(subjects)
      schedule()
      return judged
    },
    waiting: () => queue.size(),
    stop() {
      stopped = true
      clearTimeout(retry)
      for (const { done } of suspects) done(refused('internal-error'))
      for (let waiting = queue.take(); waiting !== undefined; waiting = queue.take()) {
        waiting.done(refused('internal-error'))
      }
      agenda.stop()
    }
  })
}

function peersOf(hops: readonly Hop[]): PeerId[] {
  return hops.map(({ peer }) => peer)
}

function refused(reason: Refusal): Outcome {
  return { kind: 'refused', reason }
}

/** Whether `TURN_MS` are over since now. A clock that is set back lets a turn last as long as its other bounds do. */
function stopwatch(now: () => number): () => boolean {
  const from = now()
  return () => now() - from >= TURN_MS
}
