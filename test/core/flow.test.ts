import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { Vote } from '../../src/core/evidence.ts'
import { flowReaches, flowScore } from '../../src/core/flow.ts'
import { ONE, type Ppm } from '../../src/core/report.ts'
import { noisyOr } from '../../src/core/trust.ts'
import { dividedScore, FRACTIONS, hasDivided, PPM, treeScore } from './flow-model.ts'
import { consistent, peer, percent, reordered, vote, votesOf, wayOf, type Way } from './ways.ts'

const fifty = Array.from({ length: 50 }, (_, i) => `sybil${i}`)

const TABLE: readonly (readonly [what: string, votes: readonly Vote[], score: Ppm])[] = [
  ['nothing', [], 0],
  // The worked numbers of DESIGN.md, section 3.
  ["a friend's own ban", [vote('A 80')], percent(80)],
  ["a friend's friend", [vote('A 80 B 80')], percent(64)],
  ['two friends of one friend', [vote('A 80 B 80'), vote('A 80 C 80')], percent(80)],
  ['one friend-of-friend with 50 invented identities', fifty.map((name) => vote(`A 80 B 80 ${name} 100`)), percent(64)],
  ['two friends trusted 50 each', [vote('A 50'), vote('B 50')], percent(75)],
  // More of the same rule.
  ['two friends', [vote('A 80'), vote('B 80')], percent(96)],
  ['a friend and a friend of the same friend', [vote('A 80'), vote('A 80 B 80')], percent(80)],
  ['a friend and a friend of another friend', [vote('A 80'), vote('C 80 B 80')], 928_000],
  ['a friend with 50 invented identities', fifty.map((name) => vote(`A 80 ${name} 100`)), percent(80)],
  ['two below one relay below one friend', [vote('A 80 B 50 C 50'), vote('A 80 B 50 D 50')], 360_000],
  ['ten below one relay below one friend', fifty.slice(0, 10).map((name) => vote(`A 80 B 50 ${name} 50`)), percent(40)],
  ['one origin by two friends counts once', [vote('A 80 C 80', 'B 80 C 80')], percent(64)],
  ['one origin by two friends counts on the better way', [vote('A 80 C 80', 'B 80 C 90')], percent(72)],
  [
    'two origins by the same two friends take a friend each',
    ['C', 'D'].map((o) => vote(`A 80 ${o} 80`, `B 80 ${o} 80`)),
    870_400
  ],
  // One peer counts once, by however many ways we hear of it.
  [
    'an origin that also relays, heard directly and through another',
    [vote('A 80', 'B 80 A 80'), vote('A 80 C 80'), vote('A 80 D 80')],
    percent(80)
  ],
  [
    'inventions behind a peer that two friends trust',
    fifty.map((name, i) => vote(`${i % 2 ? 'A' : 'B'} 80 X 80 ${name} 100`)),
    percent(64)
  ],
  [
    'inventions behind a peer that two friends trust, each heard by both',
    fifty.map((name) => vote(`A 80 X 80 ${name} 100`, `B 80 X 80 ${name} 100`)),
    percent(64)
  ],
  [
    'inventions behind a peer that one friend trusts more than another does',
    fifty.map((name) => vote(`A 80 X 80 ${name} 100`, `B 80 X 50 ${name} 100`)),
    percent(64)
  ],
  [
    'inventions behind two peers that two friends trust',
    fifty.map((name, i) => vote(...['A', 'B'].map((friend) => `${friend} 80 ${i % 2 ? 'X' : 'Y'} 80 ${name} 100`))),
    870_400
  ],
  [
    'an honest peer whom two friends trust, and whom inventions surround',
    [vote('A 80 X 80', 'B 80 X 80'), ...fifty.map((name) => vote(`A 80 X 80 ${name} 100`))],
    percent(64)
  ],
  ['total trust', [vote('A 100'), vote('B 1')], ONE],
  ['nearly total trust from many', fifty.map((name) => vote(`${name} 80`)), ONE - 1],
  // PEERS.md, bug 27: a peer of trust 0 still weighed a half.
  ['a friend without trust', [vote('A 0')], 0],
  ['through a friend without trust', [vote('A 0 B 100')], 0],
  ['through a relay without trust', [vote('A 80 B 0 C 100')], 0],
  [
    'a way without trust says nothing about its links',
    [vote('A 50 B 100'), vote('A 50 C 100'), vote('A 80 D 0')],
    percent(50)
  ],
  ['a way without trust beside a good one', [vote('A 0 C 100', 'B 80 C 80')], percent(64)],
  [
    'different statements about one link',
    [vote('A 80 B 50'), vote('A 80 B 80 C 50'), vote('A 80 B 80 D 100')],
    percent(64)
  ],
  ['two statements about the same way of one vote', [vote('A 80 B 50', 'A 80 B 80')], percent(64)]
]

for (const [what, votes, score] of TABLE) {
  test(`flow: ${what} scores ${score / 10_000} %`, () => assert.equal(flowScore(votes), score))
}

test('bug 4: twelve invented origins behind a friend of trust 10 do not reach a threshold of 80', () => {
  const votes = fifty.slice(0, 12).map((name) => vote(`A 10 ${name} 100`))
  assert.equal(flowScore(votes), percent(10))
})

test('where no peer has two places, the score is that of the tree, rounded down at every step', () => {
  fc.assert(
    fc.property(votesOf({ votes: 4, paths: 1 }), (votes) => {
      fc.pre(!hasDivided(votes))
      const score = flowScore(votes)
      assert.equal(score, treeScore(votes, PPM))
      const exact = treeScore(votes, FRACTIONS)
      assert.ok(!FRACTIONS.less(exact, FRACTIONS.of(score)), 'never above the exact fraction')
    }),
    { numRuns: 200 }
  )
})

test('the score is below the exact fraction by less than the rounding of its steps', () => {
  fc.assert(
    fc.property(votesOf({ votes: 4, paths: 1 }).map(consistent), (votes) => {
      fc.pre(!hasDivided(votes))
      // Four votes have at most 16 places, and each may lose one ppm in its product and one in its value.
      assert.ok(FRACTIONS.less(treeScore(votes, FRACTIONS), FRACTIONS.of(flowScore(votes) + 32)))
    }),
    { numRuns: 150 }
  )
})

test('where peers are divided among their places, the score is that of the best of all divisions', () => {
  const few = votesOf({ votes: 3, paths: 2 }).filter(
    (votes) =>
      hasDivided(votes) &&
      votes.reduce((sum, { paths }) => sum + paths.length, 0) <= 5 &&
      votes.every(({ paths, origin }) =>
        paths.every((path) => wayOf(path, origin).every(([, trust]) => trust > percent(10) && trust < ONE))
      )
  )
  fc.assert(
    fc.property(few, (votes) => {
      const exact = dividedScore(votes) * ONE
      const score = flowScore(votes)
      assert.ok(score <= exact + 1e-3, `${score} is above ${exact}`)
      assert.ok(score > exact - 32, `${score} is below ${exact}`)
    }),
    { numRuns: 60 }
  )
})

test('neither the order of votes nor that of paths makes a difference, few or many', () => {
  for (const [votes, paths, runs] of [
    [4, 3, 150],
    [8, 6, 100]
  ] as const) {
    const pairs = votesOf({ votes, paths }).chain((one) => fc.tuple(fc.constant(one), reordered(one)))
    fc.assert(
      fc.property(pairs, ([one, other]) => assert.equal(flowScore(one), flowScore(other))),
      { numRuns: runs }
    )
  }
})

test('a threshold is reached exactly up to the score, few votes or many', () => {
  for (const [votes, paths, runs] of [
    [4, 3, 200],
    [8, 6, 60]
  ] as const) {
    fc.assert(
      fc.property(votesOf({ votes, paths }), fc.nat(ONE), (some, threshold) => {
        const score = flowScore(some)
        for (const asked of [score, score + 1, threshold]) assert.equal(flowReaches(some, asked), score >= asked)
      }),
      { numRuns: runs }
    )
  }
})

test('another vote or another path never lowers the score', () => {
  fc.assert(
    fc.property(votesOf({ votes: 5, paths: 3 }), fc.nat(), fc.nat(), (votes, i, j) => {
      fc.pre(votes.length > 0)
      const score = flowScore(votes)
      const chosen = votes[i % votes.length]!
      assert.ok(flowScore(votes.filter((other) => other !== chosen)) <= score)
      const fewer = { ...chosen, paths: chosen.paths.filter((_, k) => k !== j % chosen.paths.length) }
      assert.ok(flowScore(votes.map((other) => (other === chosen ? fewer : other))) <= score)
    }),
    { numRuns: 300 }
  )
})

test('a friend who offers forged short ways to honest origins does not lower the score', () => {
  const honest = ['o1', 'o2', 'o3'].map((name, i) => vote(`f${i} 80 ${name} 80`))
  const forged = honest.map(({ origin, paths }, i) => {
    const lie: Way = [
      ['liar', percent(80)],
      [`o${i + 1}`, ONE]
    ]
    return { origin, paths: [...paths, ...vote(lie).paths] }
  })
  assert.ok(flowScore(honest) <= flowScore(forged))
  fc.assert(
    fc.property(
      votesOf({ votes: 5, paths: 2 }),
      fc.array(fc.boolean(), { minLength: 5, maxLength: 5 }),
      (votes, hit) => {
        const attacked = votes.map((one, i) => {
          const lie: Way = [
            ['liar', percent(80)],
            [one.origin, ONE]
          ]
          return hit[i] ? { ...one, paths: [...one.paths, ...vote(lie).paths] } : one
        })
        assert.ok(flowScore(votes) <= flowScore(attacked))
      }
    ),
    { numRuns: 200 }
  )
})

test('the same with more assignments than are tried one by one', () => {
  const origins = Array.from({ length: 12 }, (_, i) => `o${i}`)
  const honest = origins.map((name, i) => vote(`f${i} 80 ${name} 60`))
  const attacked = origins.map((name, i) => vote(`f${i} 80 ${name} 60`, `liar 80 ${name} 100`))
  assert.ok(flowScore(honest) <= flowScore(attacked))
})

/** All peers of all ways, and for a peer the ways that end at one of its places. */
function placesOf(name: string, votes: readonly Vote[]): Way[] {
  const found = new Map<string, Way>()
  for (const { origin, paths } of votes) {
    for (const path of paths) {
      const way = wayOf(path, origin)
      const at = way.findIndex(([other]) => other === name)
      if (at >= 0)
        found.set(
          way
            .slice(0, at + 1)
            .map(([other]) => other)
            .join(' '),
          way.slice(0, at + 1)
        )
    }
  }
  return [...found.values()]
}

function without(name: string, votes: readonly Vote[]): Vote[] {
  const clean = votes.map(({ origin, paths }) => ({
    origin,
    paths: paths.filter((path) => !wayOf(path, origin).some(([other]) => other === name))
  }))
  return clean.filter(({ paths }) => paths.length > 0)
}

test('Sybil bound: attackers weigh no more than one full vote of each peer that honest nodes trust, on its best way', () => {
  const invented = fc.array(fc.tuple(fc.nat(), fc.array(fc.constantFrom('x', 'y', 'z'), { maxLength: 2 })), {
    maxLength: 12
  })
  fc.assert(
    fc.property(
      votesOf({ votes: 4, paths: 2 }).map(consistent),
      fc.uniqueArray(fc.constantFrom('A', 'B', 'C', 'D'), { minLength: 1, maxLength: 2 }),
      invented,
      (votes, attackers, identities) => {
        // The ways to the attackers on which no other attacker had a hand.
        const ways = attackers.flatMap((name) =>
          placesOf(name, votes).filter((way) =>
            way.slice(0, -1).every(([peerName]) => !attackers.some((other) => other === peerName))
          )
        )
        fc.pre(ways.length > 0)
        // Behind each of them, identities that relay for each other and know all attackers, with forged ways to honest nodes.
        const sybils = ways.flatMap((way, w) =>
          identities.map(([n, relays], i) => {
            const between = new Set([...relays, ...(n % 3 === 0 ? ['E'] : n % 3 === 1 ? attackers : [])])
            const forged = [...between].filter((name) => !way.some(([other]) => other === name))
            return vote([...way, ...[...forged, `sybil${n % 2 ? w : ''}.${i}`].map((name) => [name, ONE] as const)])
          })
        )
        const byOrigin = Map.groupBy(sybils, ({ origin }) => origin)
        const merged = Array.from(byOrigin, ([origin, all]) => ({ origin, paths: all.flatMap(({ paths }) => paths) }))
        const honest = attackers.reduce((left, name) => without(name, left), votes)
        const full = attackers.map((name) =>
          Math.max(0, ...ways.filter((way) => way.at(-1)![0] === name).map((way) => productOf(way)))
        )
        assert.ok(flowScore([...votes, ...merged]) <= boundOf(flowScore(honest), full))
      }
    ),
    { numRuns: 300 }
  )
})

/** `noisyOr`, give or take the rounding of the tree where there is nothing to divide: it only ever loses. */
function boundOf(honest: Ppm, full: readonly Ppm[]): Ppm {
  return noisyOr([Math.min(ONE, honest + 32), ...full.map((share) => Math.min(ONE, share))])
}

function productOf(way: Way): Ppm {
  return way.reduce((product, [, share]) => Math.floor((product * share) / ONE), ONE)
}

test('no friend crowds out what others say, with more ways than are divided at best', () => {
  const honest = Array.from({ length: 6 }, (_, i) => vote(`f${i} 70 p${i} 70 o${i} 70`, `f${i} 70 q${i} 60 o${i} 70`))
  const chain = honest.flatMap((_, i) => [`f${i} 100`, `p${i} 100`, `q${i} 100`]).join(' ')
  const attacked = honest.map(({ origin, paths }) => ({
    origin,
    paths: [...paths, ...vote(`liar 70 ${chain} ${origin} 100`).paths]
  }))
  const crowd = Array.from({ length: 400 }, (_, i) => vote(`liar 70 ${chain} crowd${i} 100`))
  assert.ok(flowScore([...attacked, ...crowd]) >= flowScore(honest))
})

test('the score is bounded by the trust across every cut at the same depth', () => {
  fc.assert(
    fc.property(votesOf({ votes: 5, paths: 3 }).map(consistent), fc.integer({ min: 1, max: 4 }), (votes, depth) => {
      const cut = new Map<string, Ppm>()
      for (const { origin, paths } of votes) {
        for (const path of paths) {
          const way = wayOf(path, origin).slice(0, depth)
          const trust = way.reduce((product, [, share]) => Math.floor((product * share) / ONE), ONE)
          cut.set(way.map(([name]) => name).join(' '), trust)
        }
      }
      assert.ok(flowScore(votes) <= noisyOr([...cut.values()]))
    }),
    { numRuns: 200 }
  )
})

test('a friend cannot reach more than our trust in it, whatever it says', () => {
  fc.assert(
    fc.property(votesOf({ votes: 8, paths: 6 }), fc.integer({ min: 1, max: ONE }), (votes, trust) => {
      const behind = votes.map(({ origin, paths }) =>
        vote(...paths.map((path): Way => [['friend', trust], ...wayOf(path, origin)]))
      )
      assert.ok(flowScore(behind) <= trust)
    }),
    { numRuns: 150 }
  )
})

test('ten thousand origins by three friends each, some hundred paths of one origin, and very long ways are no trouble', () => {
  const crowd = Array.from({ length: 10_000 }, (_, i) =>
    vote(...[0, 1, 2].map((k) => `f${(i + k * 7) % 50} 1 r${i % 500} ${(i % 90) + 1} o${i} 50`))
  )
  const score = flowScore(crowd)
  assert.ok(score > 0 && score <= noisyOr(Array.from({ length: 50 }, () => percent(1))))
  const friends = Array.from({ length: 500 }, (_, i) => `f${i} 50 o ${i % 100}`)
  assert.equal(flowScore([vote(...friends)]), 495_000)
  const long: Way = Array.from({ length: 200 }, (_, i) => [`p${i}`, ONE])
  assert.equal(flowScore([vote(long), vote([...long, ['q', percent(30)]])]), ONE)
})

test('a path without hops by somebody else than the origin, which acceptance refuses, is no reason to fall over', () => {
  const odd: Vote = { origin: peer('o'), paths: [{ friend: peer('A'), trust: percent(80), hops: [] }] }
  assert.equal(flowScore([odd]), percent(80))
  assert.equal(flowScore([odd, vote('A 80 B 50', 'C 80 B 50'), { ...odd, origin: peer('q') }]), 928_000 - 48_000)
})
