import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMemo } from '../../src/wire/memo.ts'

test('a memo holds as many entries as it may, and one more makes it forget the others', () => {
  const memo = createMemo<number, string>(3)
  for (const key of [1, 2, 3]) memo.set(key, `value ${key}`)
  assert.deepEqual(
    [1, 2, 3].map((key) => memo.get(key)),
    ['value 1', 'value 2', 'value 3']
  )
  memo.set(4, 'value 4')
  assert.deepEqual(
    [1, 2, 3, 4].map((key) => memo.get(key)),
    [undefined, undefined, undefined, 'value 4']
  )
})
