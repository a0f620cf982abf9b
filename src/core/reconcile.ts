/**
 * Range-based set reconciliation: two sides find out what differs between their sets, at a cost that follows the
 * difference and not the sets. Bytes in, bytes out: no sockets, no clock, no randomness.
 *
 * Source: Aljoscha Meyer, "Range-Based Set Reconciliation" (SRDS 2023). The messages are modelled on the negentropy
 * protocol, version 1 (github.com/hoytech/negentropy); sums, the end of the dialogue and the bounds are our own.
 *
 * **Items** are pairs of issuedAt (ms) and key (16 bytes, the first half of a sha256 that covers issuedAt too), sorted by
 * issuedAt, then by the key's bytes. A bound is a point between items; a range reaches from one bound (inclusive) to
 * the next (exclusive).
 *
 * **Sums.** mask(item) = the first 8 bytes of AES-128(salt, key); the sum of a range is the sum of its masks modulo 2^64.
 * The initiator draws the salt anew for each session. Why not just XOR the keys, or add them up: whoever may choose items
 * finds two sets with the same XOR by linear algebra (some 256 items suffice), and two with the same sum modulo 2^256 by
 * Wagner's generalised birthday attack; hashing the sum together with a count, as negentropy does, makes it no harder, for
 * two sets of one size will do. The difference would then stay hidden in every session with everybody. With a salt that is
 * not known while items are chosen there is nothing to compute ahead: different ranges have equal sums, and different
 * items equal masks, with probability 2^-64, and not again in the next session. So 8 bytes do where negentropy sends 16
 * and 32. The partner knows the salt, but it may lie about its own set anyway.
 *
 * **Dialogue.** The sides take turns, the initiator first. A side says of a range (1) the sum of its items in it or,
 * if they are few, (2) the list of their masks. The other one replies to a sum that equals its own by nothing; to another
 * one by tiling the range into smaller ones with their sums, or by a list; to a list by (3) an answer: how many more
 * items it has in the range, and a bit for each listed item that it lacks; by nothing if there is no difference. So in the
 * end each side knows exactly which of its items the other one lacks (`have`), and how many it lacks itself (`need`):
 * enough for both to send what is missing without asking for it by name. A range for which the partner waits and of which
 * a complete message says nothing is settled. If more is to be said than fits, a message is marked incomplete: then
 * nothing is said about what lies beyond its last range, and the rest follows in later turns. It ends when neither
 * side waits for anything.
 *
 * ```
 * Message = flags [salt] Range*          flags: 1 byte, 1 = complete, 2 = salt follows (16 bytes; first message, only there)
 * Range   = time head prefix payload     what is said from the last upper bound (first: the lowest) to this one
 * time    = varint                       0: the bound above all items; else 1 + issuedAt - issuedAt of the last upper bound
 * head    = 1 byte                       mode * 32 + number of bytes of the prefix (0 to 16)
 * prefix  = bytes                        first bytes of the bound's key; missing ones are 0, the last one is not 0
 * payload = skip (mode 0): nothing
 *         | sum (1): 8 bytes
 *         | list (2): count, 8 bytes for each item in order
 *         | answer (3): extra, count, ceil(count / 8) bytes: bit i % 8 of byte i / 8 is set if listed item i is lacking
 * extra, count = varint                  varint: unsigned LEB128, no longer than needed, below 2^53
 * ```
 *
 * Sums and masks are little-endian. Upper bounds ascend. A skip never follows a skip and is never last.
 *
 * **Bounds on a hostile partner.** Every range must reply to one that we sent and that is still open, tiles must cover it
 * exactly, a sum must be of a smaller range, and a message must say something. So the ranges of a session are disjoint or
 * nested, an own item is told once at most, and the work is bounded by the own set and by `RECONCILE_LIMITS`.
 */
import { createMessageWriter, decodeMessage, type MessageRefusal, type Range } from './reconcile-codec.ts'
import {
  compareBounds,
  HIGHEST,
  LOWEST,
  lowerIndex,
  SALT_BYTES,
  sumRanges,
  type ItemSet,
  type RangeSums
} from './reconcile-items.ts'
import {
  BRANCHES,
  LEAF_ITEMS,
  learn,
  split,
  toRange,
  type Learnt,
  type Question,
  type Span,
  type Task
} from './reconcile-ranges.ts'
import { ok, refuse, type Result } from './result.ts'

/** Both sides keep to these; a partner that does not ends its session. */
export const RECONCILE_LIMITS = {
  /** Bytes of one message. */
  messageBytes: 64 * 1024,
  /** Ranges in one message. */
  ranges: 8192,
  /** Items in one list. */
  listItems: 64,
  /** Messages taken from the partner in one session. Two disjoint sets of a million items need about 200. */
  rounds: 1024,
  /** Items of one set, and items that a partner may claim to have beyond ours. */
  items: 2 ** 21
} as const

export type ReconcileLimits = { readonly [Name in keyof typeof RECONCILE_LIMITS]: number }

/**
 * `unexpected-range`: it replies to nothing that we asked; `no-progress`: it repeats the question or says nothing;
 * `finished`: a message after the end.
 */
export type ReconcileRefusal =
  | MessageRefusal
  | 'unexpected-range'
  | 'no-progress'
  | 'too-many-rounds'
  | 'too-many-items'
  | 'finished'

export interface Step {
  /** What to send, or null if the partner waits for nothing. */
  readonly reply: Uint8Array | null
  /** Whether this side knows everything; the partner does when it has the reply. */
  readonly done: boolean
  /** Own items, as indexes into the set, that this message showed to be lacking on the other side. */
  readonly have: readonly number[]
  /** How many items of the other side this message showed to be lacking here. */
  readonly need: number
}

export interface Reconciler {
  /** The first message. Only for the initiator, and once. */
  initiate(): Uint8Array
  /** Takes the partner's next message. After a refusal the session is over. */
  reconcile(message: Uint8Array): Result<Step, ReconcileRefusal>
}

/** The responder learns the salt from the initiator's first message. */
export type ReconcilerRole = { readonly side: 'initiator'; readonly salt: Uint8Array } | { readonly side: 'responder' }

/** Room for the largest reply to one range: `BRANCHES` sums with full prefixes. */
const MIN_MESSAGE_BYTES = 1024

/** Refused if the own set has more items than the limit. */
export function createReconciler(
  items: ItemSet,
  role: ReconcilerRole,
  limits: ReconcileLimits = RECONCILE_LIMITS
): Result<Reconciler, 'too-many-items'> {
  if (limits.messageBytes < MIN_MESSAGE_BYTES || limits.ranges <= BRANCHES || limits.listItems < LEAF_ITEMS) {
    throw new RangeError('a limit leaves no room for the reply to one range')
  }
  if (items.size > limits.items) return refuse('too-many-items')

  const everything = { lower: LOWEST, upper: HIGHEST, from: 0, to: items.size }
  let salted: RangeSums | null = null
  /** Both in ascending order; no two of all these ranges overlap. */
  let questions: readonly Question[] = []
  let tasks: readonly Task[] = []
  let rounds = 0
  let needed = 0
  let over = false

  return ok({
    initiate() {
      if (role.side !== 'initiator' || salted !== null) throw new Error('the initiator starts, and once')
      if (role.salt.length !== SALT_BYTES) throw new RangeError(`a salt has ${SALT_BYTES} bytes`)
      salted = sumRanges(items, role.salt)
      tasks = [{ ...everything, answer: null }]
      return compose(salted, role.salt)
    },
    reconcile(message) {
      const step = over ? refuse('finished') : take(message)
      over = !step.ok || step.value.done
      return step
    }
  })

  function take(bytes: Uint8Array): Result<Step, ReconcileRefusal> {
    if (++rounds > limits.rounds) return refuse('too-many-rounds')
    const decoded = decodeMessage(bytes, limits)
    if (!decoded.ok) return decoded
    const { salt, ranges, complete } = decoded.value
    if ((salt === null) === (salted === null)) return refuse('malformed')
    const sums = (salted ??= sumRanges(items, salt!))
    if (salt !== null) {
      // The first message tells about everything, as if we had asked.
      questions = [{ ...everything, mode: 'sum' }]
    }
    const heard = hear(sums, ranges, complete)
    if (!heard.ok) return heard
    const { have, need, open } = heard.value
    needed += need
    if (needed > limits.items) return refuse('too-many-items')
    const partnerWaits = tasks.length > 0 || ranges.some(({ mode }) => mode === 'sum' || mode === 'list')
    questions = open
    tasks = merged(tasks, heard.value.tasks)
    const reply = partnerWaits || questions.length > 0 ? compose(sums, null) : null
    return ok({ reply, done: tasks.length === 0 && questions.length === 0, have, need })
  }

  /** Lays the ranges of a message against our questions; `open` are the questions that it left. */
  function hear(
    sums: RangeSums,
    ranges: readonly Range[],
    complete: boolean
  ): Result<Learnt & { readonly open: readonly Question[] }, ReconcileRefusal> {
    const learnt: Learnt = { tasks: [], have: [], need: 0 }
    let next = 0
    /** Up to where the message has spoken; `tiles` is what it has covered of question `next`. */
    let lower = LOWEST
    let tiles: Span | null = null
    for (const range of ranges) {
      const { upper } = range
      if (range.mode === 'skip') {
        // Settled. A skip is never last, so one that ends amid a question or its tiles leads to a range that fits nowhere.
        while (next < questions.length && compareBounds(questions[next]!.upper, upper) <= 0) next++
      } else {
        const question = questions[next]
        if (question === undefined || compareBounds(upper, question.upper) > 0) return refuse('unexpected-range')
        if (compareBounds(lower, tiles?.upper ?? question.lower) !== 0) return refuse('unexpected-range')
        const last = compareBounds(upper, question.upper) === 0
        const from: number = tiles?.to ?? question.from
        const to = last ? question.to : lowerIndex(items, upper, from, question.to)
        const span: Span = { lower, upper, from, to }
        const whole = last && tiles === null
        if ((range.mode === 'answer') !== (question.mode === 'list')) return refuse('unexpected-range')
        if (range.mode === 'answer' && (!whole || range.lacks.length !== to - from)) return refuse('unexpected-range')
        if (range.mode === 'sum' && whole) return refuse('no-progress')
        learn(sums, range, span, learnt)
        tiles = last ? null : span
        if (last) next++
      }
      lower = upper
    }
    if (tiles !== null) return refuse('unexpected-range')
    if (!complete && ranges.length === 0) return refuse('no-progress')
    return ok({ ...learnt, open: complete ? [] : questions.slice(next) })
  }

  /** Our next message: replies to as many tasks as fit, in ascending order. */
  function compose(sums: RangeSums, salt: Uint8Array | null): Uint8Array {
    const writer = createMessageWriter(limits, salt)
    const asked: Question[] = []
    let fitting = 0
    for (const task of tasks) {
      const parts = task.answer === null ? split(items, task) : []
      const ranges = task.answer === null ? parts.map((part) => toRange(sums, part)) : [task.answer]
      if (!writer.add(task.lower, ranges)) break
      asked.push(...parts)
      fitting++
    }
    tasks = tasks.slice(fitting)
    questions = merged(questions, asked)
    return writer.finish(tasks.length === 0)
  }
}

/** Of two ascending lists, one. */
function merged<S extends Span>(a: readonly S[], b: readonly S[]): readonly S[] {
  if (a.length === 0) return b
  if (b.length === 0) return a
  const both: S[] = []
  let i = 0
  let j = 0
  while (i < a.length && j < b.length) both.push(compareBounds(a[i]!.lower, b[j]!.lower) < 0 ? a[i++]! : b[j++]!)
  return both.concat(a.slice(i), b.slice(j))
}
