import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatTable } from '../../src/cli/table.ts'
import { formatAgo, formatSpan, formatUntil, printable } from '../../src/cli/text.ts'

const ROWS = [
  ['NAME', 'PEER ID'],
  ['alice', '12D3KooWGzxzKZYveHXtpG6AsrUJBcWxHBFS2HsEoGTxrMLvKXtf'],
  ['bob', 'short']
]

test('columns are as wide as their widest cell, and lines end without blanks', () => {
  assert.equal(
    formatTable(ROWS, null),
    'NAME   PEER ID\nalice  12D3KooWGzxzKZYveHXtpG6AsrUJBcWxHBFS2HsEoGTxrMLvKXtf\nbob    short'
  )
})

test('a table that is too wide for the terminal is cut in its widest columns', () => {
  assert.equal(formatTable(ROWS, 20), 'NAME   PEER ID\nalice  12D3KooWGzxz…\nbob    short')
  for (const width of [80, 40, 20, 17]) {
    for (const line of formatTable(ROWS, width).split('\n')) assert.ok(line.length <= width, `${width}: ${line}`)
  }
  assert.equal(formatTable([['a'.repeat(20), 'b'.repeat(20)]], 20), 'aaaaaaaa…  bbbbbbbb…')
})

test('no column is cut to nothing, however narrow the terminal', () => {
  assert.equal(formatTable([['a'.repeat(20), 'b'.repeat(20)]], 1), 'aaaaaaa…  bbbbbbb…')
})

test('text of others can not move the cursor, hide or turn around', () => {
  assert.equal(printable('a\u0000\u001b[31m\u007f\u0085\u200b\u202e\u2028é日b'), 'a??[31m?????é日b')
  assert.equal(formatTable([['a\nb', 'c']], null), 'a?b  c')
})

test('spans of time have their two largest units', () => {
  for (const [seconds, text] of [
    [-5, '0s'],
    [0, '0s'],
    [45.9, '45s'],
    [60, '1m'],
    [598, '9m 58s'],
    [3600, '1h'],
    [3605, '1h'],
    [3660, '1h 1m'],
    [604_799, '6d 23h'],
    [8_640_000, '100d']
  ] as const) {
    assert.equal(formatSpan(seconds), text)
  }
  const now = 1_763_668_800_000
  assert.equal(formatUntil(1_763_668_860, now), 'in 1m')
  assert.equal(formatUntil(1_763_668_800, now), 'ended')
  assert.equal(formatUntil(null, now), '-')
  assert.equal(formatAgo(1_763_668_740, now), '1m ago')
  assert.equal(formatAgo(null, now), 'never')
})
