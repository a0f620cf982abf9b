import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ONE } from '../../src/core/report.ts'
import { sumScore } from '../../src/core/sum.ts'
import { percent, vote } from './ways.ts'

const fifty = Array.from({ length: 50 }, (_, i) => vote(`A 80 B 80 sybil${i} 100`))

for (const [what, votes, score] of [
  ['nothing', [], 0],
  ["a friend's own ban", [vote('A 80')], percent(80)],
  ["a friend's friend", [vote('A 80 B 80')], percent(64)],
  ['two origins add up', [vote('A 30'), vote('B 50')], percent(80)],
  ['an origin counts on its best path only', [vote('A 30 C 50', 'B 50 C 50')], percent(25)],
  ['exactly certain', [vote('A 50'), vote('B 50')], ONE],
  ['capped', [vote('A 50'), vote('B 51')], ONE],
  ['invented identities reach the cap, which is why this is not the default', fifty, ONE],
  ['no trust', [vote('A 0'), vote('B 80 C 0')], 0]
] as const) {
  test(`sum: ${what} scores ${score / 10_000} %`, () => assert.equal(sumScore(votes), score))
}
