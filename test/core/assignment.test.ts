import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { assignBest } from '../../src/core/assignment.ts'
import type { Vote } from '../../src/core/evidence.ts'
import { flowScore } from '../../src/core/flow.ts'
import { createRoot, grow, settle, type Seat } from '../../src/core/place.ts'
import { ONE, type Ppm } from '../../src/core/report.ts'
import { confidence } from '../../src/core/trust.ts'
import { percent, reordered, vote, votesOf, type Way } from './ways.ts'

/** The score with this many assignments tried one by one at most. */
function scoreWith(votes: readonly Vote[], exactAssignments: number): Ppm {
  const root = createRoot()
  const choices: Seat[][] = []
  for (const { origin, paths } of votes) {
    const weights = new Map(paths.map((path) => [grow(root, path, origin), 0]))
    for (const path of paths) {
      const place = grow(root, path, origin)
      weights.set(place, Math.max(weights.get(place)!, confidence(path)))
    }
    const seats = Array.from(weights, ([place, weight]) => ({ place, weight }))
    for (const { place, weight } of seats) place.values[0] = weight
    if (seats.length > 1) choices.push(seats)
  }
  settle(root)
  return choices.length === 0 ? root.value : assignBest(root, choices, exactAssignments)
}

/** Both votes weigh most below A, whose cap has room for one of them; the ascent gives it to the wrong one. */
const RIVALS = [vote('B 60 o0 80', 'A 50 o0 100'), vote('A 50 o1 100', 'B 60 o1 10')]

test('the best assignment is found for certain up to the given number of assignments', () => {
  assert.equal(scoreWith(RIVALS, 5), percent(74))
  assert.equal(scoreWith(RIVALS, 4), percent(74))
  assert.equal(scoreWith(RIVALS, 3), percent(53))
})

/** A vote that hardly weighs anything, with so many seats. */
function feather(name: string, seats: number): Vote {
  return vote(
    ...Array.from({ length: seats }, (_, i): Way => [
      [name, 1],
      [`${name}.${i}`, ONE],
      [`${name}.o`, ONE]
    ])
  )
}

test('that number is 1,024', () => {
  const eight = Array.from({ length: 8 }, (_, i) => feather(`f${i}`, 2))
  assert.equal(flowScore([...RIVALS, ...eight]), percent(74) + 2, '4 x 256 assignments')
  const wider = RIVALS.map(({ origin, paths }) => {
    const more = ['C', 'D', 'E'].flatMap(
      (friend) =>
        vote([
          [friend, 1],
          [origin, ONE]
        ]).paths
    )
    return { origin, paths: [...paths, ...more] }
  })
  assert.equal(flowScore([...wider, feather('f', 40)]), percent(74), '5 x 5 x 40 assignments')
  assert.ok(flowScore([...wider, feather('f', 41)]) < percent(54), '5 x 5 x 41 assignments')
})

test('the ascent never claims more than the best assignment, and has at least half of its logarithmic sum', () => {
  fc.assert(
    fc.property(votesOf({ votes: 5, paths: 3 }), (votes) => {
      const best = scoreWith(votes, Infinity)
      const ascended = scoreWith(votes, 0)
      assert.ok(ascended <= best)
      const miss = (ONE - ascended) / ONE
      assert.ok(miss * miss <= (ONE - best + 100) / ONE, `${ascended} of ${best}`)
    }),
    { numRuns: 300 }
  )
})

test('the ascent does not depend on the order of votes and paths', () => {
  const twins = [vote('A 50 o0 100', 'B 50 o0 100'), vote('A 50 o1 100', 'B 50 o1 10')]
  for (const votes of [RIVALS, twins]) {
    const turned = votes.map(({ origin, paths }) => ({ origin, paths: paths.toReversed() }))
    assert.equal(scoreWith(votes.toReversed(), 0), scoreWith(votes, 0))
    assert.equal(scoreWith(turned, 0), scoreWith(votes, 0))
  }
  const pairs = votesOf({ votes: 6, paths: 4 }).chain((one) => fc.tuple(fc.constant(one), reordered(one)))
  fc.assert(
    fc.property(pairs, ([one, other]) => assert.equal(scoreWith(one, 0), scoreWith(other, 0))),
    { numRuns: 200 }
  )
})

test('twelve origins by the same twelve friends get a friend each', () => {
  const names = Array.from({ length: 12 }, (_, i) => i)
  const votes = names.map((o) => vote(...names.map((f) => `f${f} 20 o${o} 50`)))
  assert.equal(flowScore(votes), flowScore(names.map((i) => vote(`f${i} 20 o${i} 50`))))
})
