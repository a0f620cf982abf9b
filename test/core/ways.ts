/** Short names for peers, paths and votes, and random ones as fast-check wants them. */
import * as fc from 'fast-check'
import type { Path, Vote } from '../../src/core/evidence.ts'
import { ONE, type Hop, type PeerId, type Ppm } from '../../src/core/report.ts'

export const peer = (name: string): PeerId => name as PeerId

export const percent = (share: number): Ppm => (share * ONE) / 100

/** The way from self to the origin: each peer with the trust in it by the one before, in ppm. */
export type Way = readonly (readonly [peer: string, trust: Ppm])[]

/** The path as it travels: the hops begin next to the origin. */
export function pathOf(way: Way): Path {
  const hops = way.slice(1).map(([, trust], i): Hop => ({ peer: peer(way[i]![0]), trust }))
  return { friend: peer(way[0]![0]), trust: way[0]![1], hops: hops.toReversed() }
}

/** The inverse of `pathOf`. */
export function wayOf({ friend, trust, hops }: Path, origin: PeerId): Way {
  const travelled = hops.toReversed()
  return [[friend, trust], ...travelled.map((hop, i): [string, Ppm] => [travelled[i + 1]?.peer ?? origin, hop.trust])]
}

/** `parseWay('A 80 B 50')`: self trusts A 80 %, A trusts B 50 %. */
export function parseWay(text: string): Way {
  return Array.from(text.matchAll(/(\S+) (\d+)/g), ([, name, share]) => [name!, percent(Number(share))] as const)
}

/** The vote of the peer at the end of the given ways. */
export function vote(...ways: readonly (string | Way)[]): Vote {
  const parsed = ways.map((given) => (typeof given === 'string' ? parseWay(given) : given))
  return { origin: peer(parsed[0]!.at(-1)![0]), paths: parsed.map(pathOf) }
}

const NAMES = ['A', 'B', 'C', 'D', 'E', 'F', 'G', 'H']

export const trusts: fc.Arbitrary<Ppm> = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(percent(50), percent(64), percent(80)) },
  { weight: 4, arbitrary: fc.integer({ min: 0, max: ONE }) },
  { weight: 1, arbitrary: fc.constantFrom(0, 1, ONE - 1, ONE) }
)

/** Up to `votes` origins, each with one to `paths` ways of up to four peers; statements about one link may differ. */
export function votesOf({ votes, paths }: { votes: number; paths: number }): fc.Arbitrary<Vote[]> {
  const voteBy = (origin: string): fc.Arbitrary<Vote> => {
    const relays = fc.shuffledSubarray(
      NAMES.filter((name) => name !== origin),
      { maxLength: 3 }
    )
    const oneWay = fc
      .tuple(relays, fc.array(trusts, { minLength: 4, maxLength: 4 }))
      .map(([between, shares]): Way => [...between, origin].map((name, i) => [name, shares[i]!]))
    return fc.array(oneWay, { minLength: 1, maxLength: paths }).map((ways) => vote(...ways))
  }
  return fc.shuffledSubarray(NAMES, { maxLength: votes }).chain((names) => fc.tuple(...names.map(voteBy)))
}

/** The same ways, but every peer states the same trust in another peer each time. */
export function consistent(votes: readonly Vote[]): Vote[] {
  const stated = new Map<string, Ppm>()
  return votes.map(({ origin, paths }) => {
    const ways = paths.map((path) => {
      let before = 'self'
      return wayOf(path, origin).map(([name, trust]): [string, Ppm] => {
        const link = `${before} ${name}`
        before = name
        if (!stated.has(link)) stated.set(link, trust)
        return [name, stated.get(link)!]
      })
    })
    return vote(...ways)
  })
}

/** Two orders of the same things, all the way down. */
export function reordered(votes: readonly Vote[]): fc.Arbitrary<Vote[]> {
  const inner = votes.map(({ origin, paths }) =>
    fc.shuffledSubarray([...paths], { minLength: paths.length }).map((shuffled): Vote => ({ origin, paths: shuffled }))
  )
  return fc.tuple(...inner).chain((all) => fc.shuffledSubarray(all, { minLength: all.length }))
}
