import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { EXACT_CELLS, packExactly, packGreedily, type Use } from '../../src/core/packing.ts'
import { bestCorner } from './flow-model.ts'

/** `use(2, [0, 0.5])`: all of it brings 2 and takes half of thing 0. */
function use(gain: number, ...taken: readonly (readonly [thing: number, share: number])[]): Use {
  return { gain, things: taken.map(([thing]) => thing), shares: taken.map(([, share]) => share) }
}

for (const [what, things, uses, exact, greedy] of [
  ['nothing', 0, [], 0, 0],
  ['one use of one thing', 1, [use(2, [0, 1])], 2, 2],
  ['part of one use and the whole of another', 2, [use(2, [0, 1], [1, 0.5]), use(3, [0, 0.5])], 6, 2],
  ['two uses of one thing: the better one', 1, [use(2, [0, 1]), use(3, [0, 1])], 3, 2],
  ['two uses that take half of it: the better one twice', 1, [use(2, [0, 0.5]), use(3, [0, 0.5])], 6, 4],
  ['one in the way of two', 2, [use(3, [0, 1], [1, 1]), use(2, [0, 1]), use(2, [1, 1])], 4, 3],
  [
    'three in a ring, best in halves',
    3,
    [use(2, [0, 1], [1, 1]), use(2, [1, 1], [2, 1]), use(2, [2, 1], [0, 1])],
    3,
    2
  ],
  ['one that brings nothing', 1, [use(0, [0, 1]), use(1, [0, 1])], 1, 0]
] as const) {
  test(`packing ${what}`, () => {
    assert.ok(Math.abs(packExactly(things, uses)! - exact) < 1e-12)
    assert.ok(Math.abs(packGreedily(things, uses) - greedy) < 1e-12)
  })
}

test('the exact answer is the best corner, and greed never takes more', () => {
  const shares = fc.array(fc.constantFrom(0, 0, 0.2, 0.5, 1), { minLength: 4, maxLength: 4 })
  const one = fc.tuple(fc.integer({ min: 1, max: 5 }), shares).filter(([, all]) => all.some((share) => share > 0))
  fc.assert(
    fc.property(fc.array(one, { maxLength: 4 }), (given) => {
      const uses = given.map(([gain, all]) =>
        use(gain, ...all.flatMap((share, i) => (share > 0 ? [[i, share] as const] : [])))
      )
      const rows = [0, 1, 2, 3].map((i) => given.map(([gain, all]) => all[i]! / gain))
      const best = bestCorner(rows, uses.length)
      const exact = packExactly(4, uses)!
      assert.ok(Math.abs(exact - best) < 1e-9, `${exact} is not ${best}`)
      assert.ok(packGreedily(4, uses) <= exact + 1e-9)
    }),
    { numRuns: 200 }
  )
})

test('as many cells as the limit are packed exactly, and one more use is too many', () => {
  // Pairs of uses share a thing, so that every thing is scarce.
  const pairs = (count: number): Use[] => Array.from({ length: count }, (_, i) => use(1, [i >> 1, 1]))
  const uses = Math.sqrt(2 * EXACT_CELLS)
  assert.equal(packExactly(uses / 2, pairs(uses)), uses / 2)
  assert.equal(packExactly(uses / 2 + 1, [...pairs(uses), use(1, [uses / 2, 1])]), null)
})
