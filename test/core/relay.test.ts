import assert from 'node:assert/strict'
import { test } from 'node:test'
import { shouldRelay, type RelayQuestion } from '../../src/core/relay.ts'

const good: RelayQuestion = { confidence: 640_000, relayedConfidence: null, hops: 1, maxHops: 6, relayFloor: 50_000 }

for (const [what, given, expected] of [
  ['a report that we have not relayed yet', {}, true],
  ['confidence at the floor', { confidence: 50_000 }, true],
  ['confidence just below the floor', { confidence: 49_999 }, false],
  ['no confidence and no floor', { confidence: 0, relayFloor: 0 }, false],
  ['the least confidence and no floor', { confidence: 1, relayFloor: 0 }, true],
  ['our hop is the last that is allowed', { hops: 5 }, true],
  ['our hop would be one too many', { hops: 6 }, false],
  ['no hops allowed', { hops: 0, maxHops: 0 }, false],
  ['the same confidence again', { relayedConfidence: 640_000 }, false],
  ['less than before', { relayedConfidence: 700_000 }, false],
  ['better by exactly five percent', { confidence: 420_000, relayedConfidence: 400_000 }, false],
  ['better by a little more than five percent', { confidence: 420_001, relayedConfidence: 400_000 }, true],
  ['much better, but below the floor', { confidence: 40_000, relayedConfidence: 1 }, false],
  ['much better, but too far away', { relayedConfidence: 1, hops: 6 }, false]
] as const) {
  test(`${what}: ${expected ? 'relayed' : 'not relayed'}`, () =>
    assert.equal(shouldRelay({ ...good, ...given }), expected))
}
