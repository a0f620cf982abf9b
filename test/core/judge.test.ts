import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { Evidence } from '../../src/core/evidence.ts'
import { judge, type JailPolicy, type Policy, type Verdict } from '../../src/core/judge.ts'
import type { ProtectionReason } from '../../src/core/protection.ts'
import { ONE, type Ppm } from '../../src/core/report.ts'
import type { Subject } from '../../src/core/subject.ts'
import { percent, vote, votesOf, type Way } from './ways.ts'

const NOW = 1_763_668_800_000
/** Unix seconds of NOW. */
const START = NOW / 1000
const DAY = 86_400
const SUBJECT = '198.51.100.7' as Subject

const policy: Policy = {
  rule: 'flow',
  threshold: percent(80),
  quorum: 1,
  maxBanTimeSeconds: 7 * DAY,
  jails: new Map([['*', { accept: true, threshold: null, jail: null }]])
}

interface Claimed {
  readonly jail?: string
  /** Seconds from NOW. */
  readonly ends?: number
  /** Seconds before NOW. */
  readonly age?: number
  /** Friends who are only observed. */
  readonly observe?: readonly string[]
  /** Jails that all friends on the ways may speak about. */
  readonly jails?: readonly string[]
}

/** The claim of the peer at the end of the given ways, by default in sshd for ten minutes. */
function ban(ways: string | readonly (string | Way)[], claimed: Claimed = {}): Evidence {
  const { jail = 'sshd', ends = 600, age = 1, observe = [], jails = ['*'] } = claimed
  const { origin, paths } = vote(...(typeof ways === 'string' ? [ways] : ways))
  const known = paths.map((path) => ({ ...path, observe: observe.includes(path.friend), jails }))
  return { origin, jail, until: START + ends, issuedAt: NOW - age * 1000, paths: known }
}

function decide(
  evidence: readonly Evidence[],
  overrides: Partial<Policy> = {},
  protectedBy: ProtectionReason | null = null
): Verdict {
  return judge({ subject: SUBJECT, evidence, policy: { ...policy, ...overrides }, protectedBy, now: NOW })
}

function jailPolicies(named: Record<string, Partial<JailPolicy>>): Pick<Policy, 'jails'> {
  const whole = ([name, given]: [string, Partial<JailPolicy>]): [string, JailPolicy] => [
    name,
    { accept: true, threshold: null, jail: null, ...given }
  ]
  return { jails: new Map(Object.entries(named).map(whole)) }
}

/** What changed of a verdict, and nothing else. */
function shows(
  verdict: Verdict,
  expected: Partial<Omit<Verdict, 'until' | 'reviewAt'>> & { until?: number; reviewAt?: number }
): void {
  const { until, reviewAt, ...rest } = expected
  for (const [key, value] of Object.entries(rest)) assert.equal(verdict[key as keyof Verdict], value, key)
  if (until !== undefined) assert.equal(verdict.until, START + until, 'until')
  if (reviewAt !== undefined) assert.equal(verdict.reviewAt, START + reviewAt, 'reviewAt')
}

test("a friend's own ban is accepted at a trust and threshold of 80, and says all about it", () => {
  assert.deepEqual(decide([ban('A 80')]), {
    subject: SUBJECT,
    score: percent(80),
    threshold: percent(80),
    accepted: true,
    reason: 'accepted',
    until: START + 600,
    reviewAt: START + 600,
    origins: 1,
    friends: 1,
    remoteJail: 'sshd',
    jail: null
  })
})

test('the worked numbers of the design decide as it says', () => {
  const sybils = Array.from({ length: 50 }, (_, i) => ban(`A 80 B 80 sybil${i} 100`))
  for (const [evidence, rule, score, reason] of [
    [[ban('A 80')], 'flow', percent(80), 'accepted'],
    [[ban('A 80 B 80')], 'flow', percent(64), 'below-threshold'],
    [[ban('A 80 B 80'), ban('A 80 C 80')], 'flow', percent(80), 'accepted'],
    [sybils, 'flow', percent(64), 'below-threshold'],
    [sybils, 'sum', ONE, 'accepted'],
    [[ban('A 50'), ban('B 50')], 'flow', percent(75), 'below-threshold'],
    [[ban('A 50'), ban('B 50')], 'sum', ONE, 'accepted']
  ] as const) {
    shows(decide(evidence, { rule }), { score, reason, accepted: reason === 'accepted' })
  }
})

test('without live evidence there is nothing to say', () => {
  const nothing = {
    score: 0,
    accepted: false,
    reason: 'no-evidence',
    origins: 0,
    friends: 0,
    remoteJail: null,
    jail: null
  } as const
  for (const evidence of [
    [],
    [ban('A 80', { ends: 0 })],
    [ban('A 80', { ends: -1 })],
    [ban('A 0')],
    [{ ...ban('A 80'), paths: [] }]
  ]) {
    const verdict = decide(evidence)
    shows(verdict, nothing)
    assert.equal(verdict.until, null)
    assert.equal(verdict.reviewAt, null)
  }
  shows(decide([], { threshold: 0, quorum: 0 }), nothing)
  shows(decide([ban('A 80', { ends: 1 })]), { accepted: true, until: 1 })
})

test('the threshold is met at n and missed at n-1', () => {
  shows(decide([ban('A 80')], { threshold: percent(80) }), { accepted: true })
  shows(decide([ban('A 80')], { threshold: percent(80) + 1 }), {
    accepted: false,
    reason: 'below-threshold',
    threshold: 800_001
  })
})

test('several claims of one origin are one vote', () => {
  const twice = [ban('A 80 B 80', { jail: 'sshd' }), ban('A 80 B 80', { jail: 'nginx', ends: 900 })]
  shows(decide(twice), { score: percent(64), origins: 1, friends: 1, until: 900, reviewAt: 600 })
  shows(decide([ban('A 80 C 50', { jail: 'sshd' }), ban('B 80 C 50', { jail: 'nginx' })]), {
    score: percent(40),
    origins: 1,
    friends: 2
  })
})

test('the quorum counts distinct first-hop friends', () => {
  const two = [ban(['A 90 C 100', 'B 90 C 100'])]
  shows(decide(two, { quorum: 2 }), { accepted: true, friends: 2, origins: 1 })
  shows(decide(two, { quorum: 3 }), { accepted: false, reason: 'below-quorum', score: percent(90) })
  shows(decide([ban('A 90'), ban('A 90 C 100')], { quorum: 2 }), { reason: 'below-quorum', friends: 1, origins: 2 })
  shows(decide([ban(['A 90 C 100', 'B 0 C 100'])], { quorum: 2 }), { reason: 'below-quorum', friends: 1 })
  shows(decide([ban('A 50'), ban('B 50')], { quorum: 3 }), { reason: 'below-threshold' })
})

test('the ban ends with the quorum, even if the score would hold', () => {
  shows(decide([ban('A 90', { ends: 900 }), ban('B 50', { ends: 300 })], { quorum: 2 }), { accepted: true, until: 300 })
})

test('an accepted verdict ends when what is left falls below the threshold', () => {
  for (const [evidence, until] of [
    [[ban('A 80', { ends: 300 }), ban('B 80', { ends: 900 })], 900],
    [[ban('A 80', { ends: 900 }), ban('B 80', { ends: 300 })], 900],
    [[ban('A 60', { ends: 300 }), ban('B 60', { ends: 900 })], 300],
    [[ban('A 60', { ends: 300 }), ban('B 60', { ends: 600 }), ban('C 60', { ends: 900 })], 600],
    [[ban('A 80 B 80', { ends: 300 }), ban('A 80 C 80', { ends: 900 })], 300],
    [[ban('A 60', { ends: 300 }), ban('B 60', { ends: 300 })], 300]
  ] as const) {
    shows(decide(evidence), { accepted: true, until, reviewAt: Math.min(...evidence.map((one) => one.until - START)) })
  }
})

test('a held verdict ends with its last evidence', () => {
  shows(decide([ban('A 50', { ends: 300 }), ban('B 30', { ends: 900 })]), {
    accepted: false,
    until: 900,
    reviewAt: 300
  })
})

test('no claim counts longer than maxBanTime after it was issued, however often it is judged', () => {
  const maxBanTimeSeconds = 1000
  const long = ban('A 80', { ends: 100 * DAY, age: 400 })
  shows(decide([long], { maxBanTimeSeconds }), { accepted: true, until: 600, reviewAt: 600 })
  const later = judge({
    subject: SUBJECT,
    evidence: [long],
    policy: { ...policy, maxBanTimeSeconds },
    protectedBy: null,
    now: NOW + 599_999
  })
  shows(later, { accepted: true, until: 600 })
  const over = judge({
    subject: SUBJECT,
    evidence: [long],
    policy: { ...policy, maxBanTimeSeconds },
    protectedBy: null,
    now: NOW + 600_000
  })
  shows(over, { accepted: false, reason: 'no-evidence' })
  const renewed = [long, ban('A 80', { ends: 100 * DAY, age: 0, jail: 'recidive' })]
  shows(decide(renewed, { maxBanTimeSeconds }), { accepted: true, until: 1000 })
})

test('what an observed friend says is computed and not acted on', () => {
  const observe = ['A']
  shows(decide([ban('A 80', { observe })]), {
    accepted: false,
    reason: 'observed',
    score: percent(80),
    until: 600,
    origins: 1,
    friends: 1
  })
  shows(decide([ban('A 60', { observe })]), { accepted: false, reason: 'below-threshold', score: percent(60) })
  shows(decide([ban('A 80', { observe }), ban('B 60')]), { reason: 'observed', score: percent(92), origins: 2 })
  shows(decide([ban('A 80', { observe, ends: 900 }), ban('B 80')]), {
    accepted: true,
    score: percent(80),
    origins: 1,
    until: 600
  })
  shows(decide([ban(['A 80 C 100', 'B 80 C 100'], { observe })]), { accepted: true, friends: 1 })
  shows(decide([ban('A 80', { observe }), ban('B 80')], { quorum: 2 }), { accepted: false, reason: 'observed' })
})

test('a protected subject is never accepted; its evidence is shown all the same', () => {
  for (const reason of ['reserved', 'own-address', 'friend-address', 'vetoed', 'allowlisted'] as const) {
    shows(decide([ban('A 80', { ends: 300 }), ban('B 80', { ends: 900 })], {}, reason), {
      accepted: false,
      reason,
      score: percent(96),
      until: 900,
      reviewAt: 300,
      origins: 2
    })
    assert.equal(decide([], {}, reason).reason, reason)
  }
})

test('claims of jails that the policy refuses do not count', () => {
  const some = jailPolicies({ '*': { accept: false }, sshd: {} })
  shows(decide([ban('A 80', { jail: 'sshd' })], some), { accepted: true })
  shows(decide([ban('A 80', { jail: 'nginx' })], some), { reason: 'no-evidence' })
  shows(decide([ban('A 80', { jail: 'nginx' })], jailPolicies({ nginx: { accept: false } })), { reason: 'no-evidence' })
  shows(decide([ban('A 80', { jail: 'other' })], jailPolicies({ nginx: { accept: false } })), { accepted: true })
})

test('a friend is believed about its accepted jails only', () => {
  shows(decide([ban('A 80', { jails: ['sshd', 'nginx'], jail: 'nginx' })]), { accepted: true })
  shows(decide([ban('A 80', { jails: ['sshd'], jail: 'nginx' })]), { reason: 'no-evidence' })
  shows(decide([ban('A 80', { jails: [] })]), { reason: 'no-evidence' })
  shows(decide([ban('A 80', { jails: ['nginx', '*'] })]), { accepted: true })
})

test('a jail with a threshold of its own needs that much, and spoils nothing for the others', () => {
  const strict = jailPolicies({ '*': {}, nginx: { threshold: percent(95) } })
  const weak = ban('A 80', { jail: 'nginx' })
  shows(decide([weak], strict), {
    accepted: false,
    reason: 'below-threshold',
    threshold: percent(95),
    score: percent(80)
  })
  shows(decide([ban('A 95', { jail: 'nginx' })], strict), { accepted: true, threshold: percent(95) })
  // Evidence from sshd counts towards the higher threshold too.
  shows(decide([weak, ban('B 60', { jail: 'sshd' })], strict), {
    accepted: false,
    threshold: percent(95),
    score: percent(92)
  })
  shows(decide([weak, ban('B 75', { jail: 'sshd' })], strict), {
    accepted: true,
    threshold: percent(95),
    score: percent(95)
  })
  // What sshd alone proves is accepted at its own threshold, and lasts as long as that.
  shows(decide([weak, ban('B 80', { jail: 'sshd', ends: 900 })], strict), {
    accepted: true,
    threshold: percent(80),
    score: percent(80),
    origins: 1,
    until: 900
  })
  // A jail may also need less.
  shows(decide([ban('A 60')], jailPolicies({ sshd: { threshold: percent(60) } })), {
    accepted: true,
    threshold: percent(60)
  })
})

test('the quorum is asked at each threshold', () => {
  const strict = jailPolicies({ nginx: { threshold: percent(90) } })
  const evidence = [ban('A 80'), ban('B 60', { jail: 'nginx' })]
  shows(decide(evidence, { ...strict, quorum: 2 }), { accepted: true, threshold: percent(90), score: percent(92) })
  shows(decide(evidence, { ...strict, quorum: 3 }), { accepted: false, reason: 'below-quorum' })
  shows(decide([ban('A 80'), ban('B 75', { jail: 'nginx' })], { ...strict, quorum: 3 }), {
    reason: 'below-quorum',
    threshold: percent(80)
  })
})

test('the strongest evidence names the jail, and the policy maps it to a local one', () => {
  const mapped = jailPolicies({ '*': { jail: 'mesh' }, nginx: { jail: 'web' }, plain: {} })
  shows(decide([ban('A 80', { jail: 'nginx' }), ban('B 70')], mapped), { remoteJail: 'nginx', jail: 'web' })
  shows(decide([ban('A 70', { jail: 'nginx' }), ban('B 80')], mapped), { remoteJail: 'sshd', jail: 'mesh' })
  shows(decide([ban('A 80', { jail: 'plain' })], mapped), { remoteJail: 'plain', jail: null })
  shows(decide([ban('A 80', { jail: 'sshd' }), ban('B 80', { jail: 'nginx' })], mapped), {
    remoteJail: 'nginx',
    jail: 'web'
  })
  shows(decide([ban('B 80', { jail: 'nginx' }), ban('A 80', { jail: 'sshd' })], mapped), {
    remoteJail: 'nginx',
    jail: 'web'
  })
})

test('jails with the names of object properties are names like others', () => {
  for (const jail of ['__proto__', 'constructor', 'toString', '*'])
    shows(decide([ban('A 80', { jail })]), { accepted: true, remoteJail: jail })
})

const claimed = fc.record({
  jail: fc.constantFrom('sshd', 'nginx', 'recidive'),
  ends: fc.integer({ min: -2, max: 12 }),
  age: fc.integer({ min: 0, max: 8 }),
  observe: fc.subarray(['A', 'B', 'C'], { maxLength: 1 }),
  jails: fc.constantFrom(['*'], ['sshd', 'nginx'])
})

/** Evidence of up to six origins, some of them in two jails. */
const someEvidence: fc.Arbitrary<Evidence[]> = fc
  .tuple(
    votesOf({ votes: 6, paths: 2 }),
    fc.array(claimed, { minLength: 12, maxLength: 12 }),
    fc.array(fc.boolean(), { minLength: 6, maxLength: 6 })
  )
  .map(([votes, claims, twice]) =>
    votes.flatMap(({ origin, paths }, i) => {
      const both = twice[i] ? [claims[i]!, claims[i + 6]!] : [claims[i]!]
      return both.map(({ jail, ends, age, observe, jails }): Evidence => {
        const known = paths.map((path) => ({ ...path, observe: observe.includes(path.friend), jails }))
        return { origin, jail, until: START + ends, issuedAt: NOW - age * 1000, paths: known }
      })
    })
  )

const ownThreshold = fc.option(fc.constantFrom<Ppm>(percent(30), percent(64), percent(95)))

const anyPolicy: fc.Arbitrary<Policy> = fc
  .record({
    rule: fc.constantFrom('flow' as const, 'sum' as const),
    threshold: fc.constantFrom(1, percent(50), percent(64), percent(80), ONE),
    quorum: fc.integer({ min: 1, max: 3 }),
    maxBanTimeSeconds: fc.integer({ min: 1, max: 15 }),
    sshd: ownThreshold,
    nginx: fc.tuple(fc.boolean(), ownThreshold)
  })
  .map(({ sshd, nginx: [accept, threshold], ...rest }) => ({
    ...rest,
    ...jailPolicies({ sshd: { threshold: sshd, jail: 'local' }, nginx: { accept, threshold } })
  }))

const ask = (evidence: readonly Evidence[], asked: Policy, now = NOW): Verdict =>
  judge({ subject: SUBJECT, evidence, policy: asked, protectedBy: null, now })

test('the verdict does not depend on the order of evidence and paths', () => {
  const shuffled = someEvidence.chain((evidence) => {
    const inner = evidence.map((one) =>
      fc.shuffledSubarray([...one.paths], { minLength: one.paths.length }).map((paths): Evidence => ({ ...one, paths }))
    )
    const other = fc.tuple(...inner).chain((all) => fc.shuffledSubarray(all, { minLength: all.length }))
    return fc.tuple(fc.constant(evidence), other)
  })
  fc.assert(
    fc.property(shuffled, anyPolicy, ([one, other], asked) => assert.deepEqual(ask(one, asked), ask(other, asked))),
    { numRuns: 300 }
  )
})

test('`until` is the first moment at which the same question gets another answer, found by asking at every moment', () => {
  fc.assert(
    fc.property(someEvidence, anyPolicy, (evidence, asked) => {
      const verdict = ask(evidence, asked)
      const answers = Array.from({ length: 30 }, (_, seconds) => ask(evidence, asked, NOW + seconds * 1000))
      const changes = verdict.accepted
        ? answers.findIndex(({ accepted }) => !accepted)
        : answers.findIndex(({ until }) => until === null)
      assert.equal(verdict.until, verdict.until === null && changes === 0 ? null : START + changes)
      // Up to its `reviewAt` nothing changes by itself, not even the score.
      const same = answers.slice(0, (verdict.reviewAt ?? START) - START)
      for (const answer of same) assert.deepEqual(answer, verdict)
      if (verdict.reviewAt !== null) assert.ok(verdict.reviewAt > START && verdict.reviewAt <= verdict.until!)
    }),
    { numRuns: 300 }
  )
})

test('more evidence never ends an acceptance, nor brings its end nearer', () => {
  fc.assert(
    fc.property(someEvidence, anyPolicy, fc.nat(), (evidence, asked, i) => {
      fc.pre(evidence.length > 0)
      const after = ask(evidence, asked)
      const before = ask(
        evidence.filter((_, k) => k !== i % evidence.length),
        asked
      )
      if (before.accepted) assert.ok(after.accepted && after.until! >= before.until!)
    }),
    { numRuns: 300 }
  )
})

test('more trust in a friend never ends an acceptance', () => {
  fc.assert(
    fc.property(someEvidence, anyPolicy, fc.constantFrom('A', 'B', 'C'), (evidence, asked, name) => {
      const raised = evidence.map((one) => ({
        ...one,
        paths: one.paths.map((path) =>
          path.friend === name ? { ...path, trust: Math.min(ONE, path.trust + 200_000) } : path
        )
      }))
      if (ask(evidence, asked).accepted) assert.ok(ask(raised, asked).accepted)
    }),
    { numRuns: 200 }
  )
})

test('ten thousand origins, and one origin with ten thousand jails, are judged', () => {
  const crowd = Array.from({ length: 10_000 }, (_, i) => ban(`f${i % 50} 20 o${i} 50`, { ends: (i % 700) + 1 }))
  shows(decide(crowd), { accepted: true, origins: 10_000, friends: 50 })
  const jails = Array.from({ length: 10_000 }, (_, i) =>
    ban([`A 80 r${i} 100 B 80`, 'C 80 B 80'], { jail: `jail-${i}` })
  )
  shows(decide(jails), { accepted: false, score: percent(64), origins: 1, friends: 2 })
})
