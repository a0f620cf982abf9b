import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { admit, RESTED, type RateLimit, type RateState } from '../../src/core/rate.ts'

const NOW = 1_763_668_800_000

/** How many of so many requests at one moment are admitted, and the state after them. */
function flood(
  state: RateState,
  limit: RateLimit,
  now: number,
  requests: number
): { passed: number; state: RateState } {
  let passed = 0
  for (let i = 0; i < requests; i++) {
    const admission = admit(state, limit, now)
    state = admission.state
    if (admission.admitted) passed++
  }
  return { passed, state }
}

for (const limit of [
  { perSecond: 1, burst: 1 },
  { perSecond: 3, burst: 3 },
  { perSecond: 7, burst: 1000 },
  { perSecond: 0.5, burst: 10 },
  { perSecond: 100_000, burst: 5 }
]) {
  test(`${limit.perSecond}/s with a burst of ${limit.burst}: the burst passes at once and nothing beyond it`, () => {
    assert.equal(flood(RESTED, limit, NOW, limit.burst).passed, limit.burst)
    assert.equal(flood(RESTED, limit, NOW, limit.burst + 1).passed, limit.burst)
    assert.equal(flood(RESTED, limit, NOW + 0.3, limit.burst + 10).passed, limit.burst)
  })

  test(`${limit.perSecond}/s with a burst of ${limit.burst}: one more passes when one interval is over, not before`, () => {
    const { state } = flood(RESTED, limit, NOW, limit.burst)
    const refused = admit(state, limit, NOW)
    assert.ok(!refused.admitted)
    assert.equal(refused.retryAfterMs, Math.ceil(1000 / limit.perSecond))
    if (refused.retryAfterMs > 1) assert.equal(admit(state, limit, NOW + refused.retryAfterMs - 1).admitted, false)
    assert.equal(admit(state, limit, NOW + refused.retryAfterMs).admitted, true)
  })
}

test('after a rest the whole burst passes again, and not more', () => {
  const limit = { perSecond: 10, burst: 20 }
  const { state } = flood(RESTED, limit, NOW, 20)
  assert.equal(flood(state, limit, NOW + 1000, 100).passed, 10)
  assert.equal(flood(state, limit, NOW + 2000, 100).passed, 20)
  assert.equal(flood(state, limit, NOW + 3_600_000, 100).passed, 20)
})

test('a request may cost as much as the burst, but not more, ever', () => {
  const limit = { perSecond: 10, burst: 1000 }
  assert.equal(admit(RESTED, limit, NOW, 1000).admitted, true)
  assert.deepEqual(admit(RESTED, limit, NOW, 1001), { admitted: false, state: NOW * 1000, retryAfterMs: Infinity })
  const half = admit(RESTED, limit, NOW, 500).state
  assert.equal(admit(half, limit, NOW, 500).admitted, true)
  const refused = admit(half, limit, NOW, 501)
  assert.ok(!refused.admitted)
  assert.equal(refused.retryAfterMs, 100)
})

test('what is refused is not paid for', () => {
  const limit = { perSecond: 1, burst: 2 }
  const { state } = flood(RESTED, limit, NOW, 1000)
  assert.equal(admit(state, limit, NOW + 1000).admitted, true)
})

test('a clock that is set back by an hour begins anew, also where nobody keeps the state of a refusal', () => {
  const limit = { perSecond: 1, burst: 5 }
  const { state } = flood(RESTED, limit, NOW, 5)
  const back = NOW - 3_600_000
  assert.equal(flood(state, limit, back, 100).passed, 5)
  const little = NOW - 1000
  assert.ok(!admit(state, limit, NOW).admitted, 'as much as ever passes at once is to be paid for')
  assert.ok(admit(state, limit, little).admitted, 'a second earlier that would be more')
})

test('in any stretch of time no more passes than the burst and the rate allow', () => {
  const steps = fc.array(fc.tuple(fc.integer({ min: 0, max: 400 }), fc.integer({ min: 1, max: 6 })), { maxLength: 200 })
  fc.assert(
    fc.property(steps, (requests) => {
      const limit = { perSecond: 10, burst: 5 }
      let now = NOW
      let state = RESTED
      let paid = 0
      for (const [waitMs, cost] of requests) {
        now += waitMs
        const admission = admit(state, limit, now, cost)
        state = admission.state
        if (admission.admitted) paid += cost
        assert.ok(paid <= limit.burst + ((now - NOW) / 1000) * limit.perSecond)
      }
    }),
    { numRuns: 200 }
  )
})
