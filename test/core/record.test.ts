import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { RECORD_MIN, SUGGESTED_MAX, suggestTrust } from '../../src/core/record.ts'

test('a suggested trust', () => {
  for (const [confirmed, disputed, percent] of [
    [0, 0, null],
    [RECORD_MIN - 1, 0, null],
    [RECORD_MIN, 0, 70],
    [20, 0, 80],
    [100, 0, 95],
    [1_000_000, 0, 95],
    [9, 1, 55],
    [40, 1, 85],
    [90, 10, 80],
    [5, 5, 20],
    [0, 10, 0]
  ] as const) {
    const suggested = suggestTrust({ confirmed, disputed })
    assert.equal(
      suggested === null ? null : suggested / 10_000,
      percent,
      `${confirmed} confirmed, ${disputed} disputed`
    )
  }
})

test('it stays in its bounds, and a dispute never raises it', () => {
  const count = fc.nat({ max: 100_000 })
  fc.assert(
    fc.property(count, count, (confirmed, disputed) => {
      const trust = suggestTrust({ confirmed, disputed })
      if (trust === null) return confirmed + disputed < RECORD_MIN
      const more = suggestTrust({ confirmed, disputed: disputed + 1 })
      return Number.isInteger(trust) && trust >= 0 && trust <= SUGGESTED_MAX && more !== null && more <= trust
    })
  )
})
