import { equal } from 'node:assert/strict'
import { test } from 'node:test'
import { createJailLife, type JailLife } from '../../src/fail2ban/jail-life.ts'
import { subject } from './ledger.ts'

const [A, B, C] = ['203.0.113.1', '203.0.113.2', '203.0.113.3'] as const

function life(instance: string | null, everBanned: number, ...listed: string[]): JailLife {
  return createJailLife(instance, everBanned, listed.map(subject))
}

test('A jail lives on as long as its socket is the same and its count keeps up with its bans.', () => {
  for (const [what, now, expected] of [
    ['unchanged', life('a', 10, A, B), true],
    ['one lifted', life('a', 10, A), true],
    ['one lifted and another banned', life('a', 11, A, C), true],
    ['banned and lifted again in between', life('a', 15, A, B), true],
    ['another server', life('b', 10, A, B), false],
    ['no server to be seen', life(null, 10, A, B), false],
    ['restored without one', life('a', 1, A), false],
    ['restored without one, and another banned', life('a', 2, A, C), false],
    ['a count that another ban would have raised', life('a', 10, A, C), false]
  ] as const) {
    equal(life('a', 10, A, B).goesOnAs(now), expected, what)
  }
  equal(life(null, 3, A).goesOnAs(life(null, 3, A)), true)
})

test('What we banned since counts: a restart that loses it is a new life.', () => {
  const grown = () => {
    const before = life('a', 0)
    before.grow(2, [A, B].map(subject))
    return before
  }
  equal(grown().goesOnAs(life('a', 2, A)), true)
  equal(grown().goesOnAs(life('a', 1, A)), false)
  equal(grown().goesOnAs(life('a', 3, A, C)), true)
  equal(grown().goesOnAs(life('a', 2, A, C)), false)
})
