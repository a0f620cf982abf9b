import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { createPacking, EXACT_CELLS, GREEDY_USES, type Packing } from '../../src/core/packing.ts'
import { bestCorner } from './flow-model.ts'

interface Use {
  readonly vote: number
  readonly gain: number
  readonly taken: readonly (readonly [thing: number, share: number])[]
}

/** `use(0, 2, [0, 0.5])`: all of vote 0 brings 2 here, and takes half of thing 0. */
function use(vote: number, gain: number, ...taken: Use['taken']): Use {
  return { vote, gain, taken }
}

/** One packing for all, as it is used. */
const packing = createPacking()

function packed(uses: readonly Use[]): Packing {
  const numbers = uses.flatMap(({ vote, taken }) => [vote, ...taken.map(([thing]) => thing)])
  const count = 1 + Math.max(-1, ...numbers)
  packing.clear(count, count)
  for (const { vote, gain, taken } of uses) {
    packing.add(vote, gain)
    for (const [thing, share] of taken) packing.take(thing, share)
  }
  return packing
}

for (const [what, uses, exact, greedy] of [
  ['nothing', [], 0, 0],
  ['one use of one thing', [use(0, 2, [0, 1])], 2, 2],
  ['what nothing limits', [use(0, 2), use(1, 3, [0, 0.5]), use(2, 1, [0, 0.5])], 6, 6],
  ['a thing that is taken in two parts', [use(0, 2, [0, 1], [0, 1])], 1, 1],
  ['one vote on two ways: the better one', [use(0, 3), use(0, 2)], 3, 3],
  ['one vote on two ways, of which the better one has half of it', [use(0, 3, [0, 2]), use(0, 2)], 2.5, 2.5],
  ['part of one vote and the whole of another', [use(0, 4, [0, 1], [1, 0.5]), use(1, 3, [0, 0.5])], 5, 4],
  ['two uses of one thing: the better one', [use(0, 3, [0, 1]), use(1, 2, [0, 1])], 3, 3],
  ['one in the way of two', [use(0, 3, [0, 1], [1, 1]), use(1, 2, [0, 1]), use(2, 2, [1, 1])], 4, 3],
  [
    'three in a ring, best in halves',
    [use(0, 2, [0, 1], [1, 1]), use(1, 2, [1, 1], [2, 1]), use(2, 2, [2, 1], [0, 1])],
    3,
    2
  ],
  ['one that brings nothing', [use(0, 1, [0, 1]), use(1, 0, [0, 1])], 1, 1]
] as const) {
  test(`packing ${what}`, () => {
    assert.ok(Math.abs(packed(uses).exactly()! - exact) < 1e-12)
    assert.ok(Math.abs(packed(uses).greedily() - greedy) < 1e-12)
  })
}

test('the exact answer is the best corner, and greed never takes more', () => {
  const shares = fc.array(fc.constantFrom(0, 0, 0.2, 0.5, 1), { minLength: 4, maxLength: 4 })
  const one = fc.record({ vote: fc.nat(2), gain: fc.integer({ min: 1, max: 5 }), shares })
  fc.assert(
    fc.property(fc.array(one, { maxLength: 4 }), (given) => {
      const sorted = given.toSorted((a, b) => b.gain - a.gain)
      const uses = sorted.map((item) =>
        use(item.vote, item.gain, ...item.shares.flatMap((share, i) => (share > 0 ? [[i, share] as const] : [])))
      )
      const things = [0, 1, 2, 3].map((i) => sorted.map((item) => item.shares[i]! / item.gain))
      const votes = [0, 1, 2].map((vote) => sorted.map((item) => (item.vote === vote ? 1 / item.gain : 0)))
      const best = bestCorner([...things, ...votes], uses.length)
      const exact = packed(uses).exactly()!
      assert.ok(Math.abs(exact - best) < 1e-9, `${exact} is not ${best}`)
      assert.ok(packed(uses).greedily() <= exact + 1e-9)
    }),
    { numRuns: 300 }
  )
})

test('as many cells as the limit are packed exactly, and one more use is too many', () => {
  // As many votes as uses, and in a ring as many things, each taken by two: with halves of all uses all is taken.
  const uses = Math.sqrt(EXACT_CELLS / 2)
  const ring = Array.from({ length: uses }, (_, i) => use(i, 1, [i, 1], [(i + 1) % uses, 1]))
  assert.ok(Math.abs(packed(ring).exactly()! - uses / 2) < 1e-9)
  assert.equal(packed([...ring, use(uses, 1)]).exactly(), null)
})

test('greed takes the first uses up to the limit', () => {
  const many = (count: number): Use[] => Array.from({ length: count }, (_, i) => use(i, 1))
  assert.equal(packed(many(GREEDY_USES)).greedily(), GREEDY_USES)
  assert.equal(packed(many(GREEDY_USES + 1)).greedily(), GREEDY_USES)
})
