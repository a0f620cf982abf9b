/**
 * What a verdict costs: `node test/bench/judging.ts`. A ledger may hold a million subjects; a change touches one of them,
 * and only that one is judged anew, so its cost depends on what is said about it and by how many ways, and on nothing else.
 */
import type { Evidence } from '../../src/core/evidence.ts'
import { judge, type Policy } from '../../src/core/judge.ts'
import type { Hop, PeerId } from '../../src/core/report.ts'
import type { Subject } from '../../src/core/subject.ts'
import { seeded } from '../support/seeded.ts'

const NOW = Date.UTC(2026, 0, 1)
const POLICY: Policy = { rule: 'flow', threshold: 800_000, quorum: 1, maxBanTimeSeconds: 604_800, jails: new Map() }
const SUBJECT = '192.0.2.1' as Subject
const RUNS = 9

interface Case {
  readonly claims: number
  /** By which each claim came. */
  readonly friends: number
  readonly outOf: number
  readonly hops: number
}

/** Claims of different origins; the relays next to the friends are shared, as they are in a mesh. */
function evidenceOf({ claims, friends, outOf, hops }: Case, random: () => number): Evidence[] {
  return Array.from({ length: claims }, (_, i): Evidence => {
    const origin = `origin${i}` as PeerId
    const paths = Array.from({ length: friends }, (_unused, k) => {
      const friend = (i + k) % outOf
      const relays = Array.from({ length: hops }, (_none, h): Hop => {
        const last = h === hops - 1
        const peer = (last ? `friend${friend}` : `relay${h}.${Math.floor(random() * 10)}`) as PeerId
        return { peer, trust: 700_000 + Math.floor(random() * 200_000) }
      })
      return {
        friend: (hops === 0 ? origin : `friend${friend}`) as PeerId,
        trust: 800_000,
        hops: relays,
        observe: false,
        jails: ['*']
      }
    })
    return { origin, jail: 'sshd', until: NOW / 1000 + 3600 + i, issuedAt: NOW - 1000, paths }
  })
}

function medianMs(work: () => void): number {
  const times = Array.from({ length: RUNS }, () => {
    const from = performance.now()
    work()
    return performance.now() - from
  })
  return times.sort((a, b) => a - b)[RUNS >> 1]!
}

const say = (evidence: readonly Evidence[]) =>
  judge({ subject: SUBJECT, evidence, policy: POLICY, protectedBy: null, now: NOW })

for (const one of [
  { claims: 1, friends: 1, outOf: 1, hops: 0 },
  { claims: 1, friends: 8, outOf: 8, hops: 3 },
  { claims: 3, friends: 1, outOf: 8, hops: 2 },
  { claims: 3, friends: 8, outOf: 8, hops: 3 },
  { claims: 10, friends: 8, outOf: 8, hops: 3 },
  { claims: 16, friends: 8, outOf: 8, hops: 3 },
  { claims: 20, friends: 8, outOf: 8, hops: 4 },
  { claims: 100, friends: 8, outOf: 8, hops: 4 },
  { claims: 1000, friends: 8, outOf: 8, hops: 4 },
  { claims: 10_000, friends: 1, outOf: 8, hops: 3 },
  { claims: 10_000, friends: 3, outOf: 50, hops: 3 }
]) {
  const evidence = evidenceOf(one, seeded(1))
  const repeat = one.claims < 30 ? 20 : 1
  const ms = medianMs(() => {
    for (let i = 0; i < repeat; i++) say(evidence)
  })
  const { claims, friends, outOf, hops } = one
  console.log(
    `${String(claims).padStart(6)} claims, each by ${friends} of ${outOf} friends over ${hops} hops: ${(ms / repeat).toFixed(3)} ms`
  )
}

const SUBJECTS = 1_000_000
const random = seeded(2)
const kinds = Array.from({ length: 1000 }, () => {
  const hops = Math.floor(random() * 3)
  return evidenceOf(
    { claims: 1 + Math.floor(random() * 3), friends: hops === 0 ? 1 : 1 + Math.floor(random() * 3), outOf: 8, hops },
    random
  )
})
const from = performance.now()
for (let i = 0; i < SUBJECTS; i++) say(kinds[i % kinds.length]!)
const seconds = (performance.now() - from) / 1000
console.log(
  `${SUBJECTS} subjects, 1 to 3 claims each: ${seconds.toFixed(1)} s, ${((seconds * 1e6) / SUBJECTS).toFixed(1)} us each`
)
