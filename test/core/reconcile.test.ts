import assert from 'node:assert/strict'
import { createCipheriv, createHash } from 'node:crypto'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { createMessageWriter, decodeMessage, type Range } from '../../src/core/reconcile-codec.ts'
import { boundBefore, HIGHEST, LOWEST, sumRanges, type ItemSet } from '../../src/core/reconcile-items.ts'
import { BRANCHES, LEAF_ITEMS } from '../../src/core/reconcile-ranges.ts'
import {
  createReconciler,
  RECONCILE_LIMITS,
  type Reconciler,
  type ReconcileLimits,
  type ReconcilerRole,
  type Step
} from '../../src/core/reconcile.ts'
import { toItemSet } from '../support/items.ts'

const SALT = new Uint8Array(Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex'))
const INITIATOR: ReconcilerRole = { side: 'initiator', salt: SALT }
const RESPONDER: ReconcilerRole = { side: 'responder' }
const BIG_MESSAGES = { ...RECONCILE_LIMITS, messageBytes: 2 ** 26, ranges: 2 ** 21 }

function create(items: ItemSet, role: ReconcilerRole, limits?: Partial<ReconcileLimits>): Reconciler {
  const created = createReconciler(items, role, { ...RECONCILE_LIMITS, ...limits })
  assert.ok(created.ok)
  return created.value
}

interface Side {
  /** Refs of the items that the other side lacks, in the order in which they were told. */
  readonly have: number[]
  need: number
}

interface Session {
  readonly initiator: Side
  readonly responder: Side
  readonly messages: readonly Uint8Array[]
}

function converse(a: ItemSet, b: ItemSet, limits?: Partial<ReconcileLimits>): Session {
  const initiator = { set: a, reconciler: create(a, INITIATOR, limits), have: [] as number[], need: 0, done: false }
  const responder = { set: b, reconciler: create(b, RESPONDER, limits), have: [] as number[], need: 0, done: false }
  const messages = [initiator.reconciler.initiate()]
  for (let turn = responder; ; turn = turn === initiator ? responder : initiator) {
    const step = turn.reconciler.reconcile(messages.at(-1)!)
    assert.ok(step.ok, step.ok ? '' : step.reason)
    assert.equal(turn.done, false)
    for (const index of step.value.have) turn.have.push(turn.set.refs[index]!)
    turn.need += step.value.need
    turn.done = step.value.done
    if (step.value.reply === null) break
    messages.push(step.value.reply)
  }
  assert.ok(initiator.done && responder.done)
  return { initiator, responder, messages }
}

const digests = new Map<number, Uint8Array>()

function digestOf(name: number): Uint8Array {
  const digest = digests.get(name) ?? createHash('sha256').update(String(name)).digest()
  digests.set(name, digest)
  return digest
}

/** Items named by numbers; `times` is how many different times they have: with 1 the keys alone tell them apart. */
function setOf(names: Iterable<number>, times = 1_000_000): ItemSet {
  return toItemSet(
    [...names].map((name) => {
      return { issuedAt: 1_790_000_000_000 + ((name * 7919) % times) * 1000, key: digestOf(name), ref: name }
    })
  )
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i)
}

function sorted(numbers: readonly number[]): number[] {
  return numbers.toSorted((a, b) => a - b)
}

/** Both sides know exactly the differences, and nothing was told twice. */
function assertExact(session: Session, a: readonly number[], b: readonly number[]): void {
  const [inA, inB] = [new Set(a), new Set(b)]
  const onlyA = sorted([...inA].filter((name) => !inB.has(name)))
  const onlyB = sorted([...inB].filter((name) => !inA.has(name)))
  assert.deepEqual(sorted(session.initiator.have), onlyA)
  assert.deepEqual(sorted(session.responder.have), onlyB)
  assert.equal(session.initiator.need, onlyB.length)
  assert.equal(session.responder.need, onlyA.length)
}

/** How often a range of n items is split until its parts are sent as lists. */
function splits(n: number): number {
  return n <= LEAF_ITEMS ? 0 : 1 + splits(Math.ceil(n / BRANCHES))
}

/**
 * With messages of any size: the initiator lists every differing range with its message number splits + 1 at the latest,
 * the responder likewise, whichever is first; one message more brings the answer.
 */
function mostMessages(a: number, b: number): number {
  return Math.min(2 * splits(a) + 1, 2 * splits(b) + 2) + 1
}

const plan = fc.record({
  common: fc.nat(1500),
  onlyA: fc.oneof(fc.nat(3), fc.nat(600)),
  onlyB: fc.oneof(fc.nat(3), fc.nat(600)),
  times: fc.constantFrom(1, 3, 1_000_000),
  seed: fc.nat()
})

test('whatever the sets, both sides learn exactly the differences, in a logarithmic number of messages', () => {
  fc.assert(
    fc.property(plan, ({ common, onlyA, onlyB, times, seed }) => {
      const start = seed % 1_000_000
      const shared = range(start, start + common)
      const a = shared.concat(range(start + common, start + common + onlyA))
      const b = shared.concat(range(start - onlyB, start))
      const session = converse(setOf(a, times), setOf(b, times), BIG_MESSAGES)
      assertExact(session, a, b)
      const most = mostMessages(a.length, b.length)
      assert.ok(session.messages.length <= most, `${session.messages.length} messages, ${most} expected`)
    }),
    { numRuns: 150 }
  )
})

test('with small messages a session takes more rounds, no message is over the limit, and the result is the same', () => {
  const small = fc.record({
    messageBytes: fc.integer({ min: 1024, max: 3000 }),
    ranges: fc.integer({ min: 17, max: 80 })
  })
  fc.assert(
    fc.property(plan, small, ({ common, onlyA, onlyB, times }, limits) => {
      const a = range(0, common + onlyA)
      const b = range(0, common).concat(range(5000, 5000 + onlyB))
      const session = converse(setOf(a, times), setOf(b, times), limits)
      assertExact(session, a, b)
      for (const bytes of session.messages) {
        assert.ok(bytes.length <= limits.messageBytes)
        const decoded = decodeMessage(bytes, RECONCILE_LIMITS)
        assert.ok(decoded.ok && decoded.value.ranges.length <= limits.ranges)
      }
    }),
    { numRuns: 100 }
  )
})

test('items whose times and keys are all but equal are told apart', () => {
  const name = fc.tuple(fc.nat(2), fc.array(fc.constantFrom(0, 1, 255), { minLength: 8, maxLength: 8 }))
  const names = fc.array(name, { maxLength: 300 })
  const named = (many: readonly [number, readonly number[]][], refs: string[]) =>
    toItemSet(
      many.map(([issuedAt, end]) => {
        const key = Uint8Array.from([issuedAt, 0, 0, 0, 0, 0, 0, 0, ...end])
        const text = `${issuedAt}:${end.join()}`
        if (!refs.includes(text)) refs.push(text)
        return { issuedAt, key, ref: refs.indexOf(text) }
      })
    )
  fc.assert(
    fc.property(names, names, names, (common, onlyA, onlyB) => {
      const refs: string[] = []
      const a = named([...common, ...onlyA], refs)
      const b = named([...onlyB, ...common], refs)
      assertExact(converse(a, b), [...a.refs], [...b.refs])
    }),
    { numRuns: 100 }
  )
})

const EDGES: readonly (readonly [string, a: readonly number[], b: readonly number[], messages: number])[] = [
  ['both empty', [], [], 2],
  ['one item here', [1], [], 2],
  ['one item there', [], [1], 2],
  ['the same item', [1], [1], 2],
  ['one item each', [1], [2], 2],
  ['as many as fit a list, one differs', range(0, LEAF_ITEMS), range(1, LEAF_ITEMS), 2],
  ['one more than fits a list, equal', range(0, LEAF_ITEMS + 1), range(0, LEAF_ITEMS + 1), 2],
  ['one more than fits a list, one differs', range(0, LEAF_ITEMS + 1), range(1, LEAF_ITEMS + 1), 3],
  ['empty here, 100,000 there', [], range(0, 100_000), 2],
  ['100,000 here, empty there', range(0, 100_000), [], 3],
  ['100,000 equal', range(0, 100_000), range(0, 100_000), 2]
]

for (const [name, a, b, messages] of EDGES) {
  test(`edge case: ${name}`, () => {
    const session = converse(setOf(a), setOf(b))
    assertExact(session, a, b)
    assert.equal(session.messages.length, messages)
  })
}

test('equal items with the same time for all are found equal and different, by their keys alone', () => {
  const a = range(0, 20_000)
  const b = range(100, 20_100)
  assertExact(converse(setOf(a, 1), setOf(b, 1)), a, b)
})

test('disjoint sets end within the limits', () => {
  const a = range(0, 20_000)
  const b = range(20_000, 60_000)
  const session = converse(setOf(a), setOf(b))
  assertExact(session, a, b)
  assert.ok(session.messages.every(({ length }) => length <= RECONCILE_LIMITS.messageBytes))
})

test('100,000 common and 100 differing items cost less than 100 KiB, both ways together', (t) => {
  const common = range(0, 100_000)
  const spread = (at: number, count: number) => Array.from({ length: count }, (_, i) => 1_000_000 + at + i * 1_000)
  const cases = {
    '50 on each side, anywhere': [common.concat(spread(0, 50)), common.concat(spread(500_000, 50))],
    '100 on one side, anywhere': [common.concat(spread(0, 100)), common],
    '100 on the other side, anywhere': [common, common.concat(spread(0, 100))]
  } as const
  for (const [name, [a, b]] of Object.entries(cases)) {
    const session = converse(setOf(a), setOf(b))
    assertExact(session, a, b)
    const bytes = session.messages.reduce((total, { length }) => total + length, 0)
    t.diagnostic(`${name}: ${(bytes / 1024).toFixed(1)} KiB in ${session.messages.length} messages`)
    assert.ok(bytes < 100 * 1024)
  }
  t.diagnostic(`every (time, 32-byte id) sent one way instead: ${((100_000 * 40) / 1024).toFixed(0)} KiB`)
})

test('building and summing sets of 100,000 and a million items', (t) => {
  for (const size of [100_000, 1_000_000]) {
    const keys = createCipheriv('aes-128-ctr', SALT, SALT).update(Buffer.alloc(size * 16))
    function* items() {
      for (let i = 0; i < size; i++) yield { issuedAt: i * 1000, key: keys.subarray(i * 16, i * 16 + 16), ref: i }
    }
    const before = performance.now()
    const set = toItemSet(items())
    const built = performance.now()
    const sums = sumRanges(set, SALT)
    const summed = performance.now()
    assert.notDeepEqual(sums.between(0, size), sums.between(1, size))
    const perItem = (set.issuedAt.byteLength + set.keys.byteLength + set.refs.byteLength) / size
    assert.equal(perItem, 32)
    const ms = (from: number, to: number) => `${(to - from).toFixed(0)} ms`
    t.diagnostic(`${size} items: built in ${ms(before, built)}, sums of a session in ${ms(built, summed)}`)
  }
  t.diagnostic('32 bytes per item, and 8 during a session')
})

test('the example of PROTOCOL.md, byte by byte', () => {
  const { messages } = converse(setOf([1, 2]), setOf([2, 3]))
  assert.deepEqual(
    messages.map((bytes) => Buffer.from(bytes).toString('hex')),
    ['03000102030405060708090a0b0c0d0e0f004002e5af66e142712b0d483046eaf8dd0eed', '010060010201']
  )
})

// Hostile partners.

const HUNDRED = setOf(range(0, 100))

function reason(step: ReturnType<Reconciler['reconcile']>): string | null {
  return step.ok ? null : step.reason
}

function message(ranges: readonly Range[], { salt = null as Uint8Array | null, complete = true } = {}): Uint8Array {
  const writer = createMessageWriter(RECONCILE_LIMITS, salt)
  assert.ok(writer.add(LOWEST, ranges))
  return writer.finish(complete)
}

const WRONG = { low: 1, high: 2 }
const MIDDLE = boundBefore(HUNDRED, 50)

function sum(upper = HIGHEST): Range {
  return { mode: 'sum', upper, sum: WRONG }
}

function list(upper = HIGHEST, items = 1): Range {
  return { mode: 'list', upper, masks: Array.from({ length: items }, (_, low) => ({ low, high: 0 })) }
}

function answer(upper = HIGHEST, listed = 64, extra = 0): Range {
  return { mode: 'answer', upper, extra, lacks: Array.from({ length: listed }, () => false) }
}

const FIRST_MESSAGES: readonly (readonly [string, Uint8Array, string | null])[] = [
  ['no bytes', new Uint8Array(0), 'malformed'],
  ['no salt', message([sum(MIDDLE), sum()]), 'malformed'],
  ['nothing but a salt: equal', message([], { salt: SALT }), null],
  ['an incomplete message that says nothing', message([], { salt: SALT, complete: false }), 'no-progress'],
  ['two sums', message([sum(MIDDLE), sum()], { salt: SALT }), null],
  ['a sum of everything', message([sum()], { salt: SALT }), 'no-progress'],
  ['a sum of a half', message([sum(MIDDLE)], { salt: SALT }), 'unexpected-range'],
  ['a sum and a list', message([sum(MIDDLE), list()], { salt: SALT }), null],
  ['an answer to no list', message([answer()], { salt: SALT }), 'unexpected-range'],
  ['a range after a skip', message([{ mode: 'skip', upper: MIDDLE }, sum()], { salt: SALT }), 'unexpected-range'],
  ['a list of 64', message([list(HIGHEST, 64)], { salt: SALT }), null],
  ['a list of 65', message([list(HIGHEST, 65)], { salt: SALT }), 'long-list']
]

for (const [name, bytes, expected] of FIRST_MESSAGES) {
  test(`a first message with ${name}: ${expected ?? 'taken'}`, () => {
    assert.equal(reason(create(HUNDRED, RESPONDER).reconcile(bytes)), expected)
  })
}

/** An initiator that has sent a list of everything, or sums of its parts. */
function listing(): Reconciler {
  const reconciler = create(setOf(range(0, 10)), INITIATOR)
  reconciler.initiate()
  return reconciler
}

function summing(): { reconciler: Reconciler; uppers: Range['upper'][] } {
  const reconciler = create(HUNDRED, INITIATOR)
  const decoded = decodeMessage(reconciler.initiate(), RECONCILE_LIMITS)
  assert.ok(decoded.ok)
  return { reconciler, uppers: decoded.value.ranges.map(({ upper }) => upper) }
}

test('a list wants an answer of its length, of its range, without a salt, and only once', () => {
  assert.equal(reason(listing().reconcile(message([answer(HIGHEST, 10)]))), null)
  assert.equal(reason(listing().reconcile(message([answer(HIGHEST, 9)]))), 'unexpected-range')
  assert.equal(reason(listing().reconcile(message([answer(HIGHEST, 11)]))), 'unexpected-range')
  assert.equal(reason(listing().reconcile(message([answer(MIDDLE, 10), answer(HIGHEST, 0)]))), 'unexpected-range')
  assert.equal(reason(listing().reconcile(message([list()]))), 'unexpected-range')
  assert.equal(reason(listing().reconcile(message([sum(MIDDLE), sum()]))), 'unexpected-range')
  assert.equal(reason(listing().reconcile(message([answer(HIGHEST, 10)], { salt: SALT }))), 'malformed')
  const reconciler = listing()
  assert.equal(reason(reconciler.reconcile(message([answer(HIGHEST, 10)]))), null)
  assert.equal(reason(reconciler.reconcile(message([answer(HIGHEST, 10)]))), 'finished')
})

test('replies to sums stay inside the range that was asked about, cover it, and go from left to right', () => {
  const reply = (ranges: (uppers: Range['upper'][]) => Range[], complete = true) => {
    const { reconciler, uppers } = summing()
    return reason(reconciler.reconcile(message(ranges(uppers), { complete })))
  }
  const [first, second] = [boundBefore(HUNDRED, 3), boundBefore(HUNDRED, 9)]
  assert.equal(
    reply(([one]) => [sum(first), list(one)]),
    null
  )
  assert.equal(
    reply(([one]) => [list(one)], false),
    null
  )
  assert.equal(
    reply(() => [], false),
    'no-progress'
  )
  assert.equal(
    reply(([one]) => [sum(one)]),
    'no-progress'
  )
  assert.equal(
    reply(() => [sum(first)]),
    'unexpected-range'
  )
  assert.equal(
    reply(() => [sum(first), sum(second)]),
    'unexpected-range'
  )
  assert.equal(
    reply(([, two]) => [list(two)]),
    'unexpected-range'
  )
  assert.equal(
    reply(([one]) => [{ mode: 'skip', upper: first }, list(one)]),
    'unexpected-range'
  )
  assert.equal(
    reply(([one, two]) => [{ mode: 'skip', upper: one! }, list(two)]),
    null
  )
  assert.equal(
    reply(([one, two]) => [sum(first), { mode: 'skip', upper: one! }, list(two)]),
    'unexpected-range'
  )
})

test('a partner that claims to have more than the item limit is refused, up to it is taken', () => {
  const extra = (count: number) => reason(listing().reconcile(message([answer(HIGHEST, 10, count)])))
  assert.equal(extra(RECONCILE_LIMITS.items), null)
  assert.equal(extra(RECONCILE_LIMITS.items + 1), 'too-many-items')
  assert.equal(extra(Number.MAX_SAFE_INTEGER), 'too-many-items')
})

test('an own set up to the limit is taken, a larger one refused', () => {
  const limits = { ...RECONCILE_LIMITS, items: 100 }
  assert.equal(createReconciler(HUNDRED, RESPONDER, limits).ok, true)
  const refused = createReconciler(HUNDRED, RESPONDER, { ...limits, items: 99 })
  assert.deepEqual(refused, { ok: false, reason: 'too-many-items' })
})

test('messages up to the limits are taken, larger ones and more rounds are refused', () => {
  const first = message([sum(MIDDLE), sum()], { salt: SALT })
  const taken = { messageBytes: 1024, ranges: 17, rounds: 1 }
  assert.equal(reason(create(HUNDRED, RESPONDER, taken).reconcile(first)), null)
  assert.equal(reason(create(HUNDRED, RESPONDER, { rounds: 0 }).reconcile(first)), 'too-many-rounds')
  assert.equal(reason(create(HUNDRED, RESPONDER).reconcile(new Uint8Array(64 * 1024 + 1))), 'oversized')
  assert.equal(reason(create(HUNDRED, RESPONDER).reconcile(new Uint8Array(64 * 1024))), 'malformed')
})

test('limits that leave no room for the reply to one range, a salt of the wrong size and a second start are bugs', () => {
  assert.throws(() => create(HUNDRED, RESPONDER, { messageBytes: 1023 }), RangeError)
  assert.throws(() => create(HUNDRED, RESPONDER, { ranges: BRANCHES }), RangeError)
  assert.throws(() => create(HUNDRED, RESPONDER, { listItems: LEAF_ITEMS - 1 }), RangeError)
  assert.throws(() => create(HUNDRED, { side: 'initiator', salt: SALT.subarray(1) }).initiate(), RangeError)
  assert.throws(() => create(HUNDRED, RESPONDER).initiate())
  const reconciler = create(HUNDRED, INITIATOR)
  reconciler.initiate()
  assert.throws(() => reconciler.initiate())
})

test('after a refusal nothing is taken any more', () => {
  const reconciler = create(HUNDRED, RESPONDER)
  assert.equal(reason(reconciler.reconcile(message([sum()], { salt: SALT }))), 'no-progress')
  assert.equal(reason(reconciler.reconcile(message([], { salt: SALT }))), 'finished')
})

test('random bytes, at the start or later, never do more than end the session', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(3), (random, flags) => {
      const bytes = Uint8Array.from([flags, ...random])
      create(HUNDRED, RESPONDER).reconcile(bytes)
      summing().reconciler.reconcile(bytes)
      listing().reconcile(bytes)
    }),
    { numRuns: 300 }
  )
})

test('a message that was changed on its way ends the session or misleads it within its bounds', () => {
  const a = setOf(range(0, 300))
  const b = setOf(range(20, 340))
  const reasons = new Map<string, number>()
  fc.assert(
    fc.property(fc.nat(4), fc.nat(), fc.integer({ min: 1, max: 255 }), fc.boolean(), (round, place, change, cut) => {
      const sides = [
        { reconciler: create(b, RESPONDER), set: b, told: new Set<number>() },
        { reconciler: create(a, INITIATOR), set: a, told: new Set<number>() }
      ]
      let sent: Uint8Array | null = sides[1]!.reconciler.initiate()
      let ended = 'end'
      for (let i = 0; sent !== null; i++) {
        const { reconciler, set, told } = sides[i % 2]!
        if (i === round) sent = damaged(sent, place, change, cut)
        const step = reconciler.reconcile(sent)
        if (!step.ok) {
          ended = step.reason
          break
        }
        for (const index of step.value.have) {
          assert.ok(index >= 0 && index < set.size && !told.has(index))
          told.add(index)
        }
        sent = step.value.reply
        assert.ok(i < 20)
      }
      reasons.set(ended, (reasons.get(ended) ?? 0) + 1)
    }),
    { numRuns: 300 }
  )
  assert.ok(reasons.size >= 3, [...reasons.keys()].join())
})

function damaged(bytes: Uint8Array, place: number, change: number, cut: boolean): Uint8Array {
  const copy = bytes.slice()
  const at = place % copy.length
  if (cut) return copy.slice(0, at)
  copy[at]! ^= change
  return copy
}

/** What our last message asked, as ranges with both bounds. */
function questionsIn(bytes: Uint8Array): { lower: Range['upper']; range: Range }[] {
  const decoded = decodeMessage(bytes, RECONCILE_LIMITS)
  assert.ok(decoded.ok)
  return decoded.value.ranges.map((asked, i, all) => ({ lower: all[i - 1]?.upper ?? LOWEST, range: asked }))
}

test('a partner that differs everywhere and for ever is done with as soon as the own set is', () => {
  const own = setOf(range(0, 5000))
  const reconciler = create(own, INITIATOR)
  let sent: Uint8Array | null = reconciler.initiate()
  const told = new Set<number>()
  let rounds = 0
  for (; sent !== null; rounds++) {
    const writer = createMessageWriter(RECONCILE_LIMITS, null)
    for (const { lower, range: asked } of questionsIn(sent)) {
      if (asked.mode === 'sum') {
        // One more sum than the own items allow to split: a bound just above the lower one.
        const upper = { issuedAt: lower.issuedAt + 1, prefix: new Uint8Array(0) }
        writer.add(lower, upper.issuedAt < asked.upper.issuedAt ? [sum(upper), sum(asked.upper)] : [list(asked.upper)])
      } else if (asked.mode === 'list') {
        writer.add(lower, [answer(asked.upper, asked.masks.length, 1)])
      }
    }
    const step: ReturnType<Reconciler['reconcile']> = reconciler.reconcile(writer.finish(true))
    assert.ok(step.ok, step.ok ? '' : step.reason)
    for (const index of step.value.have) told.add(index)
    sent = step.value.reply
  }
  assert.ok(rounds <= 2 * splits(5000) + 4, `${rounds} rounds`)
})

test('a partner that replies to one range at a time is ended by the limit on rounds', () => {
  const reconciler = create(setOf(range(0, 5000)), INITIATOR, { rounds: 50 })
  const open = questionsIn(reconciler.initiate())
  let rounds = 0
  let step: { ok: true; value: Step } | { ok: false; reason: string }
  do {
    const { lower, range: asked } = open.shift()!
    const writer = createMessageWriter(RECONCILE_LIMITS, null)
    writer.add(
      lower,
      asked.mode === 'list' ? [answer(asked.upper, asked.masks.length)] : [sumsOf(asked, lower), sum(asked.upper)]
    )
    step = reconciler.reconcile(writer.finish(false))
    rounds++
    if (step.ok) open.unshift(...questionsIn(step.value.reply!).filter(({ range: { mode } }) => mode !== 'skip'))
  } while (step.ok)
  assert.equal(step.reason, 'too-many-rounds')
  assert.equal(rounds, 51)
})

function sumsOf(asked: Range, lower: Range['upper']): Range {
  const end = asked.upper.issuedAt === Infinity ? lower.issuedAt + 2 : asked.upper.issuedAt
  return sum({ issuedAt: Math.floor((lower.issuedAt + end) / 2), prefix: new Uint8Array(0) })
}

test('two million items against a partner that lists nothing are compared in one go', () => {
  const set = toItemSet(
    (function* () {
      const key = new Uint8Array(16)
      for (let i = 0; i < RECONCILE_LIMITS.items; i++) yield { issuedAt: i, key, ref: i }
    })()
  )
  const step = create(set, RESPONDER).reconcile(message([list(HIGHEST, 0)], { salt: SALT }))
  assert.ok(step.ok && step.value.have.length === RECONCILE_LIMITS.items)
})
