import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { formatDuration, parseDuration } from '../../src/core/duration.ts'

test('durations are read as seconds', () => {
  for (const [text, seconds] of [
    ['90', 90],
    ['90s', 90],
    ['10m', 600],
    ['12h', 43_200],
    ['7d', 604_800],
    ['0', 0],
    ['0d', 0],
    ['9999999999', 9_999_999_999],
    ['9999999999d', 863_999_999_913_600]
  ] as const) {
    assert.deepEqual(parseDuration(text), { ok: true, value: seconds }, text)
  }
})

test('anything else is refused', () => {
  const junk = [
    '',
    ' ',
    's',
    '-1',
    '+1',
    '1.5h',
    '1e3',
    '0x10',
    '1 h',
    ' 1h',
    '1h ',
    '1h\n',
    '1H',
    '1w',
    '1h30m',
    '01',
    '٣',
    '10000000000',
    'NaN'
  ]
  for (const text of junk)
    assert.deepEqual(parseDuration(text), { ok: false, reason: 'junk-duration' }, JSON.stringify(text))
})

test('durations are written in the largest unit that fits', () => {
  for (const [seconds, text] of [
    [0, '0s'],
    [1, '1s'],
    [59, '59s'],
    [60, '1m'],
    [61, '61s'],
    [90, '90s'],
    [3600, '1h'],
    [3660, '61m'],
    [86_399, '86399s'],
    [86_400, '1d'],
    [90_000, '25h'],
    [604_800, '7d']
  ] as const) {
    assert.equal(formatDuration(seconds), text)
  }
})

test('what is written is read as the same number', () => {
  fc.assert(
    fc.property(fc.nat(9_999_999_999), (seconds) => {
      assert.deepEqual(parseDuration(formatDuration(seconds)), { ok: true, value: seconds })
    })
  )
})
