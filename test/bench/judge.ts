/**
 * What a verdict costs. A ledger may hold a million subjects; a change touches one of them, and only that one is judged anew,
 * so its cost depends on what is said about it and by how many ways, and on nothing else.
 *
 * The goal is for 10 origins as a node in the middle of a mesh hears them: of 8 friends some are origins themselves, most
 * speak for others over one to three hops, and half of the claims come by two friends, as they do where friends have friends in
 * common. The further lines are harder than a mesh makes it: every claim by all friends, over four hops.
 */
import type { Evidence } from '../../src/core/evidence.ts'
import { judge, type Policy } from '../../src/core/judge.ts'
import type { Hop, PeerId } from '../../src/core/report.ts'
import type { Subject } from '../../src/core/subject.ts'
import { seeded } from '../support/seeded.ts'
import { median, spreadOf } from './figures.ts'
import { line, type Line } from './report.ts'

const NOW = Date.UTC(2026, 0, 1)
const POLICY: Policy = { rule: 'flow', threshold: 800_000, quorum: 1, maxBanTimeSeconds: 604_800, jails: new Map() }
const SUBJECT = '192.0.2.1' as Subject
const FRIENDS = 8
const TRUST = 800_000
const RUNS = 15
/** Before these, until V8 has compiled what a node that runs for weeks has compiled. */
const WARMING_RUNS = 6
/** Of one run, about. */
const RUN_MS = 100
/** Different subjects that are judged in turn, so that no case is the average. */
const SUBJECTS = 50
const MILLION = 1_000_000

interface Case {
  readonly claims: number
  /** By which each claim came. */
  readonly friends: number
  readonly outOf: number
  readonly hops: number
}

const HARD: readonly Case[] = [
  { claims: 10, friends: 8, outOf: 8, hops: 3 },
  { claims: 100, friends: 8, outOf: 8, hops: 4 },
  { claims: 10_000, friends: 3, outOf: 50, hops: 3 }
]

export async function* bench(): AsyncGenerator<Line> {
  for (const origins of [1, 10, 100]) {
    const random = seeded(origins)
    const heard = Array.from({ length: SUBJECTS }, () => mixture(origins, random))
    const rates = measure(heard)
    const goal = origins === 10 ? '>= 100,000' : '-'
    yield line(
      `judge: ${origins} origins of a subject, as heard in a mesh`,
      median(rates),
      '/s',
      null,
      goal,
      spreadOf(rates)
    )
  }
  const onceEach = [evidenceOf({ claims: 10, friends: 1, outOf: FRIENDS, hops: 1 }, seeded(1))]
  const rates = measure(onceEach)
  yield line('judge: 10 origins, each by one way', median(rates), '/s', null, '>= 100,000', spreadOf(rates))
  for (const one of HARD) {
    const hard = measure([evidenceOf(one, seeded(1))])
    const { claims, friends, outOf, hops } = one
    const what = `judge: ${claims} origins, each by ${friends} of ${outOf} friends, ${hops} hops`
    yield line(what, median(hard), '/s', null, '-', spreadOf(hard))
  }
  const random = seeded(2)
  const few = Array.from({ length: 1000 }, () => mixture(1 + Math.floor(random() * 3), random))
  const from = performance.now()
  for (let i = 0; i < MILLION; i++) say(few[i % few.length]!)
  yield line('judge: a million subjects, 1 to 3 origins each', (performance.now() - from) / 1000, 's', null, '-')
}

/**
 * Verdicts a second, of each run. Of processor time, for that is all that a verdict costs: it is the same on an idle machine, and
 * on a shared one it does not count others' work.
 */
function measure(heard: readonly (readonly Evidence[])[]): number[] {
  const timed = (): number => {
    const from = performance.now()
    const before = process.cpuUsage()
    let said = 0
    for (; performance.now() - from < RUN_MS; said++) say(heard[said % heard.length]!)
    const { user, system } = process.cpuUsage(before)
    return (said * 1_000_000) / (user + system)
  }
  for (let i = 0; i < WARMING_RUNS; i++) timed()
  return Array.from({ length: RUNS }, timed)
}

function say(evidence: readonly Evidence[]): void {
  judge({ subject: SUBJECT, evidence, policy: POLICY, protectedBy: null, now: NOW })
}

/** A fifth of the origins are friends; the others are one to three hops behind one. */
function mixture(origins: number, random: () => number): Evidence[] {
  return Array.from({ length: origins }, (_, i) => {
    const place = Math.floor(random() * 10)
    const hops = place < 2 && i < FRIENDS ? 0 : 1 + (place % 3)
    const one = { claims: 1, friends: hops > 0 && random() < 0.5 ? 2 : 1, outOf: FRIENDS, hops }
    return claimOf(i, Math.floor(random() * FRIENDS), one, random)
  })
}

/** Claims of different origins; the relays next to the friends are shared, as they are in a mesh. */
function evidenceOf(one: Case, random: () => number): Evidence[] {
  return Array.from({ length: one.claims }, (_, i) => claimOf(i, i, one, random))
}

function claimOf(i: number, first: number, { friends, outOf, hops }: Case, random: () => number): Evidence {
  const origin = (hops === 0 ? `friend${i % outOf}` : `origin${i}`) as PeerId
  const paths = Array.from({ length: friends }, (_unused, k) => {
    const friend = `friend${(first + k) % outOf}` as PeerId
    const relays = Array.from({ length: hops }, (_none, h): Hop => {
      const peer = h === hops - 1 ? friend : (`relay${h}.${Math.floor(random() * 10)}` as PeerId)
      return { peer, trust: 700_000 + Math.floor(random() * 200_000) }
    })
    return { friend: hops === 0 ? origin : friend, trust: TRUST, hops: relays, observe: false, jails: ['*'] }
  })
  return { origin, jail: 'sshd', until: NOW / 1000 + 3600 + i, issuedAt: NOW - 1000, paths }
}
