import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { ONE, type Ppm } from '../../src/core/report.ts'
import { confidence, multiply, noisyOr } from '../../src/core/trust.ts'
import { parseWay, pathOf, percent, trusts } from './ways.ts'

/** 1 - (1-x1)(1-x2)... in ppm, computed exactly and rounded down. */
function exactNoisyOr(values: readonly Ppm[]): Ppm {
  const miss = values.reduce((product, value) => product * BigInt(ONE - value), 1n)
  const whole = BigInt(ONE) ** BigInt(values.length)
  return Number(((whole - miss) * BigInt(ONE)) / whole)
}

test('a product is rounded down', () => {
  for (const [a, b, product] of [
    [percent(80), percent(80), percent(64)],
    [ONE, 123_456, 123_456],
    [0, ONE, 0],
    [999_999, 999_999, 999_998],
    [1, 999_999, 0],
    [333_333, 3, 0],
    [500_000, 3, 1]
  ] as const) {
    assert.equal(multiply(a, b), product)
    assert.equal(multiply(b, a), product)
  }
})

test('the confidence in a path is the trust in the friend times the trust of every hop', () => {
  for (const [text, expected] of [
    ['A 80', 800_000],
    ['A 80 B 80', 640_000],
    ['A 80 B 80 C 80', 512_000],
    ['A 100 B 50 C 10', 50_000],
    ['A 0 B 100', 0],
    ['A 100 B 0 C 100', 0]
  ] as const) {
    assert.equal(confidence(pathOf(parseWay(text))), expected, text)
  }
})

test('each step of a confidence is rounded down from our side outwards, never above the exact product', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: ONE }), { minLength: 1, maxLength: 17 }), (shares) => {
      const path = pathOf(shares.map((trust, i) => [`p${i}`, trust]))
      const exact = shares.reduce((product, trust) => product * BigInt(trust), 1n)
      const scale = BigInt(ONE) ** BigInt(shares.length - 1)
      const got = BigInt(confidence(path))
      assert.ok(got * scale <= exact)
      assert.ok((got + BigInt(shares.length)) * scale > exact, 'no more than one ppm is lost at each step')
    }),
    { numRuns: 300 }
  )
})

test('noisyOr joins independent statements', () => {
  for (const [values, expected] of [
    [[], 0],
    [[0], 0],
    [[0, 0, 0], 0],
    [[1], 1],
    [[ONE], ONE],
    [[ONE, 1, 0], ONE],
    [[1, ONE], ONE],
    [[percent(80)], percent(80)],
    [[percent(50), percent(50)], percent(75)],
    [[percent(64), percent(64)], 870_400],
    [[percent(80), percent(80), percent(80)], 992_000],
    [[999_999, 999_999], 999_999],
    [[1, 1], 1],
    [[999_999, 999_999, ONE], ONE]
  ] as const) {
    assert.equal(noisyOr(values), expected, String(values))
  }
})

test('noisyOr is never more than its cap', () => {
  for (const [cap, expected] of [
    [0, 0],
    [1, 1],
    [749_999, 749_999],
    [750_000, 750_000],
    [750_001, 750_000],
    [ONE, 750_000]
  ] as const) {
    assert.equal(noisyOr([percent(50), percent(50)], cap), expected, String(cap))
  }
})

const manyTrusts = fc.oneof(
  fc.array(trusts, { maxLength: 12 }),
  fc.array(fc.integer({ min: 0, max: 1000 }), { maxLength: 200 }),
  fc.array(fc.integer({ min: 900_000, max: ONE }), { maxLength: 5 })
)

test('noisyOr is the exact value rounded down, below any cap', () => {
  fc.assert(
    fc.property(manyTrusts, trusts, (values, cap) => {
      const exact = exactNoisyOr(values)
      assert.equal(noisyOr(values), exact)
      assert.equal(noisyOr(values, cap), Math.min(cap, exact))
    }),
    { numRuns: 300 }
  )
})

test('the order of the values makes no difference', () => {
  fc.assert(
    fc.property(manyTrusts, (values) => {
      assert.equal(noisyOr(values.toReversed()), noisyOr(values))
      assert.equal(noisyOr(values.toSorted((a, b) => a - b)), noisyOr(values))
    }),
    { numRuns: 200 }
  )
})

test('ten thousand tiny values add up exactly', () => {
  const values = Array.from({ length: 10_000 }, (_, i) => i % 90)
  assert.equal(noisyOr(values), exactNoisyOr(values))
})
