/**
 * The one way of every report into this node, ours or theirs, by gossip, sync or command:
 *
 *   ingest(envelope, from) -> decode, verify, check, ledger, judge, hand-off, relay -> Outcome
 *
 * Reports that arrive in one turn of the event loop share one transaction; nobody is told an outcome, no relay leaves
 * and no hand-off starts before it has been committed.
 */
import { createFairQueue } from '../core/fair-queue.ts'
import type { PeerId } from '../core/report.ts'
import type { Subject } from '../core/subject.ts'
import type { Database } from '../store/database.ts'
import { transaction } from '../store/database.ts'
import type { OwnSource } from '../store/ledger.ts'
import { createAgenda } from './agenda.ts'
import { refused, type Outcome, type Refusal } from './outcome.ts'
import { createTaking, type Delivery, type TakingOptions, type Turn } from './taking.ts'

export interface IngestOptions extends TakingOptions {
  readonly db: Database
  limits(): ReturnType<TakingOptions['limits']> & {
    /** Envelopes that may wait for their turn, of all friends together, and of one; more are refused. */
    readonly queue: number
    readonly friendQueue: number
    readonly friendQueueBytes: number
  }
  /** Whether a friend is shut out for now: its envelopes are not looked at. */
  isShutOut(friend: PeerId): boolean
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

interface Waiting extends Delivery {
  readonly done: (outcome: Outcome) => void
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
  const { db, ledger, self } = options
  /** Each friend is a source, and we are one. */
  const queue = createFairQueue<PeerId, Waiting>()
  /** Of a turn that failed: each is tried once more, in a turn of its own, so that it harms nobody but itself. */
  let suspects: Waiting[] = []
  const agenda = createAgenda({ review: options.review, now: options.now })
  const take = createTaking(options, agenda)
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
    const turn: Turn = { own: new Set(), relays: [], claims: 0 }
    const isOver = stopwatch(options.now)
    const batch: Waiting[] = []
    const outcomes: Taken[] = []
    try {
      transaction(db, () => {
        for (let waiting = next(batch, turn, isOver); waiting !== undefined; waiting = next(batch, turn, isOver)) {
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

  function next(batch: readonly Waiting[], turn: Turn, isOver: () => boolean): Waiting | undefined {
    if (suspects.length > 0) return batch.length === 0 ? suspects.shift() : undefined
    const isFull = batch.length >= TURN_ENVELOPES || turn.claims >= TURN_CLAIMS
    if (isFull || (batch.length > 0 && isOver())) return undefined
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

/** Whether `TURN_MS` are over since now. A clock that is set back lets a turn last as long as its other bounds do. */
function stopwatch(now: () => number): () => boolean {
  const from = now()
  return () => now() - from >= TURN_MS
}
