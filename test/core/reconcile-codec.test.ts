import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { createMessageWriter, decodeMessage, type Message, type Range } from '../../src/core/reconcile-codec.ts'
import { compareBounds, HIGHEST, LOWEST, type Bound } from '../../src/core/reconcile-items.ts'
import { RECONCILE_LIMITS } from '../../src/core/reconcile.ts'

const u32 = fc.nat(0xffffffff)
const sum = fc.tuple(u32, u32).map(([low, high]) => ({ low, high }))
const prefix = fc
  .array(fc.constantFrom(0, 1, 255), { maxLength: 16 })
  .map((key) => Uint8Array.from(key.at(-1) === 0 ? [...key.slice(0, -1), 7] : key))
const issuedAt = fc.oneof(fc.nat(3), fc.maxSafeNat()).map((time) => Math.min(time, Number.MAX_SAFE_INTEGER - 1))
const finiteBound: fc.Arbitrary<Bound> = fc
  .tuple(issuedAt, prefix)
  .map(([time, key]) => ({ issuedAt: time, prefix: key }))
const bound = fc.oneof({ weight: 9, arbitrary: finiteBound }, { weight: 1, arbitrary: fc.constant(HIGHEST) })
const content = fc.oneof(
  fc.record({ mode: fc.constant('skip' as const) }),
  fc.record({ mode: fc.constant('sum' as const), sum }),
  fc.record({ mode: fc.constant('list' as const), masks: fc.array(sum, { maxLength: 64 }) }),
  fc.record({
    mode: fc.constant('answer' as const),
    extra: fc.maxSafeNat(),
    lacks: fc.array(fc.boolean(), { maxLength: 64 })
  })
)
const anyMessage: fc.Arbitrary<Message> = fc.record({
  salt: fc.option(fc.uint8Array({ minLength: 16, maxLength: 16 })),
  complete: fc.boolean(),
  ranges: fc.array(fc.tuple(bound, content), { maxLength: 20 }).map((pairs) => {
    const sorted = pairs.toSorted(([a], [b]) => compareBounds(a, b))
    const ascending = sorted.filter(([upper], i) => compareBounds(upper, sorted[i - 1]?.[0] ?? LOWEST) > 0)
    const ranges = ascending.map(([upper, rest]): Range => ({ ...rest, upper }))
    return ranges.filter(({ mode }, i) => mode !== 'skip' || !['skip', undefined].includes(ranges[i + 1]?.mode))
  })
})

function encode({ salt, complete, ranges }: Message, limits = RECONCILE_LIMITS): Uint8Array {
  const writer = createMessageWriter(limits, salt)
  assert.ok(writer.add(LOWEST, ranges))
  return writer.finish(complete)
}

function bytes(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex.replaceAll(' ', ''), 'hex'))
}

test('decoding gives back what was encoded', () => {
  fc.assert(
    fc.property(anyMessage, (wanted) => {
      const decoded = decodeMessage(encode(wanted), RECONCILE_LIMITS)
      assert.ok(decoded.ok)
      assert.deepEqual(decoded.value, { ...wanted })
    }),
    { numRuns: 300 }
  )
})

test('what decodes encodes to the same bytes, whatever byte of a message was changed, added or taken away', () => {
  const byte = fc.nat(255)
  const change = fc.record({ at: fc.nat(2000), remove: fc.nat(3), insert: fc.array(byte, { maxLength: 3 }) })
  let decodable = 0
  fc.assert(
    fc.property(anyMessage, change, (wanted, { at, remove, insert }) => {
      const changed = [...encode(wanted)]
      changed.splice(at % (changed.length + 1), remove, ...insert)
      const decoded = decodeMessage(Uint8Array.from(changed), RECONCILE_LIMITS)
      if (!decoded.ok) return
      decodable++
      assert.deepEqual([...encode(decoded.value)], changed)
    }),
    { numRuns: 1000 }
  )
  assert.ok(decodable > 100)
})

test('nothing that was decoded shares memory with the message', () => {
  const ranges: Range[] = [{ mode: 'skip', upper: { issuedAt: 5, prefix: Uint8Array.of(7) } }, ...sums(10).slice(9)]
  const source = Buffer.from(encode({ salt: new Uint8Array(16).fill(9), complete: true, ranges }))
  const decoded = decodeMessage(source, RECONCILE_LIMITS)
  source.fill(0)
  assert.ok(decoded.ok)
  assert.deepEqual(decoded.value, { salt: new Uint8Array(16).fill(9), complete: true, ranges })
})

test('random bytes are refused or are a message', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (random) => {
      const decoded = decodeMessage(random, RECONCILE_LIMITS)
      if (decoded.ok) assert.deepEqual([...encode(decoded.value)], [...random])
    }),
    { numRuns: 300 }
  )
})

const SUM = '1122334455667788'
const MALFORMED: readonly (readonly [why: string, hex: string])[] = [
  ['no flags', ''],
  ['unknown flag', '04'],
  ['salt cut short', `03 ${'00'.repeat(15)}`],
  ['time cut short', '01 80'],
  ['time without a head', '01 05'],
  ['varint longer than needed', `01 8500 20 ${SUM}`],
  ['varint of nine bytes', `01 808080808080808001 20 ${SUM}`],
  ['varint above 2^53 - 1', `01 ffffffffffffff10 20 ${SUM}`],
  ['time above 2^53 - 1', `01 feffffffffffff0f 20 ${SUM} 05 20 ${SUM}`],
  ['time of exactly 2^53', `01 ffffffffffffff0f 20 ${SUM} 03 20 ${SUM}`],
  ['unknown mode', '01 05 80'],
  ['prefix of 17 bytes', `01 05 31 ${'01'.repeat(17)} ${SUM}`],
  ['prefix cut short', '01 05 22 01'],
  ['prefix that ends in 0', `01 05 22 0100 ${SUM}`],
  ['prefix of the highest bound', `01 00 21 01 ${SUM}`],
  ['range after the highest bound', `01 00 20 ${SUM} 05 20 ${SUM}`],
  ['upper bound equal to the lowest', `01 01 20 ${SUM}`],
  ['upper bound equal to the one before', `01 05 20 ${SUM} 01 20 ${SUM}`],
  ['upper bound below the one before', `01 05 21 02 ${SUM} 01 21 01 ${SUM}`],
  ['skip at the end', '01 05 00'],
  ['skip after a skip', `01 05 00 05 00 05 20 ${SUM}`],
  ['sum cut short', '01 05 20 11223344556677'],
  ['list without count', '01 05 40'],
  ['list cut short', `01 05 40 02 ${SUM} 11223344556677`],
  ['answer without count', '01 05 60 00'],
  ['answer cut short', '01 05 60 00 09 ff'],
  ['answer with bits beyond its count', '01 05 60 00 09 ff02']
]

for (const [why, hex] of MALFORMED) {
  test(`a message is malformed: ${why}`, () => {
    assert.deepEqual(decodeMessage(bytes(hex), RECONCILE_LIMITS), { ok: false, reason: 'malformed' })
  })
}

test('the neighbours of the malformed messages are well formed', () => {
  for (const hex of [
    '00',
    '01',
    `03 ${'00'.repeat(16)}`,
    `01 05 20 ${SUM}`,
    `01 05 22 0001 ${SUM}`,
    `01 05 30 ${'01'.repeat(16)} ${SUM}`,
    `01 ffffffffffffff0f 20 ${SUM} 02 20 ${SUM}`,
    `01 05 21 01 ${SUM} 01 21 02 ${SUM} 00 20 ${SUM}`,
    `01 05 00 05 20 ${SUM}`,
    '01 05 60 00 09 ff01'
  ]) {
    assert.equal(decodeMessage(bytes(hex), RECONCILE_LIMITS).ok, true, hex)
  }
})

function sums(count: number): Range[] {
  return Array.from({ length: count }, (_, i) => ({
    mode: 'sum',
    upper: { issuedAt: i + 1, prefix: new Uint8Array(0) },
    sum: { low: i, high: i }
  }))
}

test('bytes, ranges and listed items of a message are taken up to the limit and refused beyond', () => {
  const ranges = encode({ salt: null, complete: true, ranges: sums(10) })
  const list = encode({ salt: null, complete: true, ranges: [{ mode: 'list', upper: HIGHEST, masks: masks(10) }] })
  const lacks = Array.from({ length: 10 }, () => true)
  const answer = encode({ salt: null, complete: true, ranges: [{ mode: 'answer', upper: HIGHEST, extra: 0, lacks }] })
  const limits = { messageBytes: ranges.length, ranges: 10, listItems: 10 }
  for (const taken of [ranges, list, answer]) assert.equal(decodeMessage(taken, limits).ok, true)
  const reason = (message: Uint8Array, limit: Partial<typeof limits>) => {
    const decoded = decodeMessage(message, { ...limits, ...limit })
    return decoded.ok ? null : decoded.reason
  }
  assert.equal(reason(ranges, { messageBytes: ranges.length - 1 }), 'oversized')
  assert.equal(reason(ranges, { ranges: 9 }), 'too-many-ranges')
  assert.equal(reason(list, { listItems: 9 }), 'long-list')
  assert.equal(reason(answer, { listItems: 9 }), 'long-list')
})

test('a claimed count of 2^53 - 1 items is refused before anything is made of it', () => {
  for (const head of ['40', '60 00']) {
    const decoded = decodeMessage(bytes(`01 05 ${head} ffffffffffffff0f`), RECONCILE_LIMITS)
    assert.deepEqual(decoded, { ok: false, reason: 'long-list' })
  }
})

test('a writer takes what fits the limits, and leaves no trace of what does not', () => {
  const ten = sums(10)
  const limits = { ...RECONCILE_LIMITS, messageBytes: encode({ salt: null, complete: true, ranges: ten }).length }
  for (const tight of [limits, { ...RECONCILE_LIMITS, ranges: 10 }]) {
    const writer = createMessageWriter(tight, null)
    assert.equal(writer.add(LOWEST, ten), true)
    const eleventh = sums(11).slice(10)
    assert.equal(writer.add(ten[9]!.upper, eleventh), false)
    assert.deepEqual(decodeMessage(writer.finish(false), tight), {
      ok: true,
      value: { salt: null, complete: false, ranges: ten }
    })
  }
})

function masks(count: number): { low: number; high: number }[] {
  return Array.from({ length: count }, (_, i) => ({ low: i, high: 0 }))
}
