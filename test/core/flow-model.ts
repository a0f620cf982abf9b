/**
 * The flow rule as DESIGN.md writes it down, by brute force: every assignment of every vote, the whole tree computed
 * anew for each, with either exact fractions or with integer ppm that are rounded down. It shares no code with the
 * rule.
 */
import type { Vote } from '../../src/core/evidence.ts'
import { wayOf, type Way } from './ways.ts'

const MILLION = 1_000_000n

export interface Fraction {
  readonly above: bigint
  readonly below: bigint
}

interface Arithmetic<N> {
  of(ppm: number): N
  times(a: N, b: N): N
  noisyOr(values: readonly N[]): N
  /** Whether `a` is less than `b`. */
  less(a: N, b: N): boolean
}

export const FRACTIONS: Arithmetic<Fraction> = {
  of: (ppm) => ({ above: BigInt(ppm), below: MILLION }),
  times: (a, b) => ({ above: a.above * b.above, below: a.below * b.below }),
  noisyOr(values) {
    const miss = values.reduce((product, x) => FRACTIONS.times(product, { above: x.below - x.above, below: x.below }), {
      above: 1n,
      below: 1n
    })
    return { above: miss.below - miss.above, below: miss.below }
  },
  less: (a, b) => a.above * b.below < b.above * a.below
}

export const PPM: Arithmetic<number> = {
  of: (ppm) => ppm,
  times: (a, b) => Number((BigInt(a) * BigInt(b)) / MILLION),
  noisyOr(values) {
    const { above, below } = FRACTIONS.noisyOr(values.map(FRACTIONS.of))
    return Number((above * MILLION) / below)
  },
  less: (a, b) => a < b
}

interface Seat<N> {
  /** The peers from self to the origin, as one text. */
  readonly place: string
  readonly weight: N
}

export function modelScore<N>(votes: readonly Vote[], arithmetic: Arithmetic<N>): N {
  const { of, noisyOr, less } = arithmetic
  const caps = new Map<string, N>()
  const seats = votes
    .map(({ origin, paths }) => paths.map((path) => prefixes(wayOf(path, origin), arithmetic)))
    .map((ways) => ways.filter((way) => less(of(0), way.at(-1)!.weight)))
    .filter((ways) => ways.length > 0)
  for (const { place, weight } of seats.flat(2)) {
    const cap = caps.get(place)
    if (cap === undefined || less(cap, weight)) caps.set(place, weight)
  }
  let best = of(0)
  for (const assignment of everyChoice(seats.map((ways) => ways.map((way) => way.at(-1)!)))) {
    const score = treeScore(assignment, caps, arithmetic)
    if (less(best, score)) best = score
  }
  return best

  function treeScore(
    assignment: readonly Seat<N>[],
    limits: ReadonlyMap<string, N>,
    { less: isLess }: Arithmetic<N>
  ): N {
    const value = (place: string): N => {
      const children = [...limits.keys()].filter((key) => parentOf(key) === place)
      const own = assignment.filter((seat) => seat.place === place).map(({ weight }) => weight)
      const all = noisyOr([...own, ...children.map(value)])
      const cap = limits.get(place)
      return cap !== undefined && isLess(cap, all) ? cap : all
    }
    return value('')
  }
}

/** Every place on a way with the product of the trusts up to it. */
function prefixes<N>(way: Way, { of, times }: Arithmetic<N>): Seat<N>[] {
  let product: N | null = null
  let place = ''
  return way.map(([name, trust]) => {
    product = product === null ? of(trust) : times(product, of(trust))
    place += `/${name}`
    return { place, weight: product }
  })
}

function parentOf(place: string): string {
  return place.slice(0, place.lastIndexOf('/'))
}

function* everyChoice<T>(lists: readonly (readonly T[])[]): Generator<T[]> {
  const [first, ...rest] = lists
  if (first === undefined) yield []
  else for (const item of first) for (const others of everyChoice(rest)) yield [item, ...others]
}
