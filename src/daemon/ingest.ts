/**
 * The one way of every report into this node, ours or theirs, by gossip, sync or command:
 *
 *   ingest(envelope, from) -> decode, verify | check, ledger, judge | hand-off, relay -> Outcome
 *
 * A turn has two steps. First envelopes are screened, without the ledger's being changed. Then those whose signature holds
 * share one transaction; nobody is told that a report is taken, no relay leaves and no hand-off starts before it has been
 * committed.
 */
import { createFairQueue } from '../core/fair-queue.ts'
import type { PeerId } from '../core/report.ts'
import { refuse, type Result } from '../core/result.ts'
import type { Subject } from '../core/subject.ts'
import type { Database } from '../store/database.ts'
import { transaction } from '../store/database.ts'
import type { OwnSource } from '../store/ledger.ts'
import { createAgenda } from './agenda.ts'
import { refused, type Outcome, type Refusal } from './outcome.ts'
import { createScreening, type Delivery, type Screened } from './screening.ts'
import { createTaking, type TakingOptions } from './taking.ts'

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
  /** An exception: a bug of ours or a disk that fails. If a transaction was under way it was rolled back. */
  failed(error: unknown): void
  /** Every outcome of a friend's envelope, for the counters. */
  counted(from: PeerId, outcome: Outcome): void
}

/**
 * Milliseconds that one turn of the event loop may spend on screening envelopes, as much on putting them into the ledger,
 * and once more on judging; one of each is always done. So whatever friends send, everything else comes in between.
 */
const TURN_MS = 15
/** Envelopes that are screened in one turn, and claims in them, by whatever clock. */
const TURN_ENVELOPES = 128
const TURN_CLAIMS = 1000
/** A friend that has changed so many subjects which are not judged yet waits, with all that it says. */
const BACKLOG_SUBJECTS = 2000
/** Until what waits is tried again without being asked: after a failure of the ledger, or because it rests. */
const RETRY_MS = 1000

interface Waiting extends Delivery {
  readonly done: (outcome: Outcome) => void
}

type Ready = Waiting & Screened

interface Taken {
  readonly ready: Ready
  readonly outcome: Outcome
  /** Of our own: when its subjects are judged. */
  readonly judged: Promise<boolean> | null
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
  /** Their signatures hold; they wait for the ledger. */
  let ready: Ready[] = []
  /** So many of them were in a turn that failed: each gets one of its own, so that it harms nobody but itself. */
  let suspects = 0
  const agenda = createAgenda({ review: options.review, now: options.now })
  const screening = createScreening(options)
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
    const { items, weight } = queue.load(from)
    // Whoever has nothing in it may always put something in: others can't keep it out by filling it.
    if (items > 0 && queue.size() >= limits.queue) return 'queue-full'
    const isFull = items >= limits.friendQueue || (items > 0 && weight + bytes.length > limits.friendQueueBytes)
    return isFull ? 'over-rate' : null
  }

  function schedule(): void {
    if (scheduled || stopped) return
    scheduled = true
    clearTimeout(retry)
    setImmediate(() => void runTurn())
  }

  async function runTurn(): Promise<void> {
    let succeeded = false
    try {
      if (ready.length === 0) await screenSome()
      if (suspects === 0) screenOwn()
      const isToDo = !stopped && (ready.length > 0 || agenda.state() !== 'empty')
      succeeded = !isToDo || takeSome()
    } catch (error) {
      // Of somebody who was told after the commit. There will be more turns.
      options.failed(error)
    }
    scheduled = false
    const state = agenda.state()
    if (ready.length + queue.size() > 0 || (succeeded && state === 'ready')) schedule()
    else if (state !== 'empty') tryLater()
  }

  async function screenSome(): Promise<void> {
    const isOver = stopwatch(options.now)
    const screened: Ready[] = []
    let claims = 0
    for (let seen = 0; seen < TURN_ENVELOPES && claims < TURN_CLAIMS && (seen === 0 || !isOver()); seen++) {
      const waiting = queue.take((source) => source === self || agenda.backlog(source) >= BACKLOG_SUBJECTS)
      if (waiting === undefined) break
      const result = screen(waiting)
      if (!result.ok) {
        answer(waiting, refused(result.reason))
        continue
      }
      screened.push({ ...waiting, ...result.value })
      claims += result.value.report?.claims.length ?? 0
    }
    const holds = await screening.verify(screened).catch(options.failed)
    for (const [index, each] of screened.entries()) {
      if (stopped || holds === undefined) answer(each, refused('internal-error'))
      else if (holds[index]) ready.push(each)
      else answer(each, refused('bad-signature'))
    }
  }

  /** Our own word does not wait until what friends have brought before is taken. It was signed a moment ago: nothing to check. */
  function screenOwn(): void {
    const waiting = queue.take((source) => source !== self)
    if (waiting === undefined) return
    const result = screen(waiting)
    if (result.ok) ready.unshift({ ...waiting, ...result.value })
    else answer(waiting, refused(result.reason))
  }

  function screen(waiting: Waiting): Result<Screened, Refusal> {
    try {
      return screening.screen(waiting)
    } catch (error) {
      // The ledger can't be read.
      options.failed(error)
      return refuse('internal-error')
    }
  }

  /** False if the ledger failed, and has nothing of it. */
  function takeSome(): boolean {
    const isOver = stopwatch(options.now)
    const taken: Taken[] = []
    const relays: Uint8Array[] = []
    let tried = 0
    try {
      transaction(db, () => {
        for (const each of ready) {
          if (tried > 0 && (suspects > 0 || isOver())) break
          tried++
          const outcome = take(each, relays)
          const isOwn = each.from === null && outcome.kind === 'accepted'
          taken.push({ ready: each, outcome, judged: isOwn ? agenda.own(outcome.subjects) : null })
        }
        agenda.judge(stopwatch(options.now))
      })
    } catch (error) {
      fail(error, tried)
      return false
    }
    ready = ready.slice(tried)
    suspects = Math.max(0, suspects - tried)
    const changed = agenda.committed()
    // Whoever waits for its outcome goes on after this turn.
    for (const { ready: each, outcome, judged } of taken) {
      if (judged === null) answer(each, outcome)
      else void judged.then((done) => answer(each, done ? outcome : refused('internal-error')))
    }
    for (const envelope of relays) options.relay(envelope)
    if (changed > 0) options.committed()
    return true
  }

  function tryLater(): void {
    if (scheduled) return
    clearTimeout(retry)
    retry = setTimeout(schedule, RETRY_MS).unref()
  }

  /** Rolled back: of several envelopes perhaps one is to blame, which nobody else shall suffer for. */
  function fail(error: unknown, tried: number): void {
    try {
      ledger.forgetCaches()
    } catch {
      // The ledger can't be read either; the next turn will find out.
    }
    agenda.rolledBack()
    if (tried > 1) {
      suspects = tried
      return
    }
    options.failed(error)
    // Also if the transaction could not even begin: nobody waits for a ledger that may never be well again.
    for (const each of ready.splice(0, 1)) answer(each, refused('internal-error'))
    suspects = Math.max(0, suspects - 1)
  }

  function answer({ from, done }: Waiting, outcome: Outcome): void {
    done(from === null ? outcome : count(from, outcome))
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
    waiting: () => queue.size() + ready.length,
    stop() {
      stopped = true
      clearTimeout(retry)
      for (const each of ready.splice(0)) answer(each, refused('internal-error'))
      for (let waiting = queue.take(); waiting !== undefined; waiting = queue.take()) {
        answer(waiting, refused('internal-error'))
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
