import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { sorted } from '../../src/core/sorting.ts'

test('few and many are sorted in place, and equal ones keep their order', () => {
  const numbered = fc.array(fc.nat(9), { maxLength: 80, size: 'max' }).map((keys) => keys.map((key, i) => ({ key, i })))
  fc.assert(
    fc.property(numbered, (items) => {
      const expected = items.toSorted((a, b) => a.key - b.key)
      const given = [...items]
      assert.equal(
        sorted(given, (a, b) => a.key - b.key),
        given
      )
      assert.deepEqual(given, expected)
    }),
    { numRuns: 100 }
  )
})
