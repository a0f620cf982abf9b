import assert from 'node:assert/strict'
import { test } from 'node:test'
import { delayMs } from '../../src/core/backoff.ts'

const ALMOST_ONE = 1 - Number.EPSILON

for (const [attempt, least, most] of [
  [0, 500, 1000],
  [1, 1000, 2000],
  [2, 2000, 4000],
  [8, 128_000, 256_000],
  [9, 150_000, 300_000],
  [10, 150_000, 300_000],
  [100_000, 150_000, 300_000]
] as const) {
  test(`after failure ${attempt + 1} it waits between ${least} and ${most} ms`, () => {
    assert.equal(delayMs(attempt, 0), least)
    assert.equal(delayMs(attempt, ALMOST_ONE), most)
    assert.equal(delayMs(attempt, 0.5), (least + most) / 2)
  })
}
