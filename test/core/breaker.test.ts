import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CLOSED, isOpen, offend, type BreakerRule, type BreakerState } from '../../src/core/breaker.ts'

const RULE: BreakerRule = {
  forgiven: { perSecond: 1, burst: 10 },
  firstMs: 60_000,
  longestMs: 3_600_000,
  forgetMs: 3_600_000
}
const NOW = 1_700_000_000_000

function offences(state: BreakerState, count: number, now = NOW): BreakerState {
  let after = state
  for (let i = 0; i < count; i++) after = offend(after, RULE, now)
  return after
}

test('as many offences as are forgiven leave it closed, and one more opens it', () => {
  assert.equal(isOpen(offences(CLOSED, 10), RULE, NOW), false)
  const tripped = offences(CLOSED, 11)
  assert.deepEqual([isOpen(tripped, RULE, NOW), tripped.until], [true, NOW + 60_000])
  assert.equal(isOpen(tripped, RULE, NOW + 59_999), true)
  assert.equal(isOpen(tripped, RULE, NOW + 60_000), false)
})

test('offences as slow as the rule forgives never open it', () => {
  let state = CLOSED
  for (let second = 0; second < 10_000; second++) state = offend(state, RULE, NOW + second * 1000)
  assert.equal(state.trips, 0)
})

test('each time out is twice as long as the last, up to the longest, and a good hour makes the next one a first one', () => {
  let state = CLOSED
  let now = NOW
  const lengths: number[] = []
  for (let i = 0; i < 8; i++) {
    state = offences(state, 11, now)
    lengths.push(state.until - now)
    now = state.until
  }
  assert.deepEqual(
    lengths.map((ms) => ms / 60_000),
    [1, 2, 4, 8, 16, 32, 60, 60]
  )
  assert.equal(offences(state, 11, now + RULE.forgetMs).until - now - RULE.forgetMs, 3_600_000)
  assert.equal(offences(state, 11, now + RULE.forgetMs + 1).until - now - RULE.forgetMs - 1, 60_000)
})

test('offences during a time out do not make it longer', () => {
  const tripped = offences(CLOSED, 11)
  assert.deepEqual(offences(tripped, 1000, NOW + 1000), tripped)
})

test('a clock that is set back by a year does not shut anybody out for a year', () => {
  const tripped = offences(CLOSED, 11)
  assert.equal(isOpen(tripped, RULE, NOW - 365 * 86_400_000), false)
})
