/**
 * The flow rule as DESIGN.md writes it down, slowly, in two independent ways that share no code with the rule: where no
 * peer has two places, the tree with exact fractions or with integer ppm that are rounded down; where peers are divided
 * among their places, the best of all corners of the linear program, in floating point.
 */
import type { Vote } from '../../src/core/evidence.ts'
import { wayOf } from './ways.ts'

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

const FLOATS = {
  of: (ppm: number) => ppm / 1_000_000,
  times: (a: number, b: number) => a * b,
  less: (a: number, b: number) => a < b
}

interface Step<N> {
  readonly peer: string
  /** The peers from self to this one, as one text. */
  readonly place: string
  /** The product of the trusts on the way. */
  readonly weight: N
}

type Products<N> = Pick<Arithmetic<N>, 'of' | 'times' | 'less'>

/** By vote, by way: the steps from self to the origin. Ways that carry nothing are left out. */
function stepsOf<N>(votes: readonly Vote[], { of, times, less }: Products<N>): Step<N>[][][] {
  return votes.map(({ origin, paths }) =>
    paths
      .map((path) => {
        let product: N | null = null
        let place = ''
        return wayOf(path, origin).map(([peer, trust]): Step<N> => {
          product = product === null ? of(trust) : times(product, of(trust))
          place += `/${peer}`
          return { peer, place, weight: product }
        })
      })
      .filter((way) => less(of(0), way.at(-1)!.weight))
  )
}

/** By place, the best statement. */
function capsOf<N>(ways: readonly (readonly Step<N>[])[], { less }: Products<N>): Map<string, N> {
  const caps = new Map<string, N>()
  for (const { place, weight } of ways.flat()) {
    const cap = caps.get(place)
    if (cap === undefined || less(cap, weight)) caps.set(place, weight)
  }
  return caps
}

export function hasDivided(votes: readonly Vote[]): boolean {
  const steps = stepsOf(votes, PPM).flat(2)
  return new Set(steps.map(({ place }) => place)).size > new Set(steps.map(({ peer }) => peer)).size
}

/** For votes of whose peers none has two places. */
export function treeScore<N>(votes: readonly Vote[], arithmetic: Arithmetic<N>): N {
  const { noisyOr, less } = arithmetic
  const ways = stepsOf(votes, arithmetic).flat()
  const caps = capsOf(ways, arithmetic)
  const value = (place: string): N => {
    const children = [...caps.keys()].filter((key) => key.slice(0, key.lastIndexOf('/')) === place)
    const own = ways.map((way) => way.at(-1)!).filter((last) => last.place === place)
    const best = own.reduce<N[]>(([most], { weight }) => [most === undefined || less(most, weight) ? weight : most], [])
    const all = noisyOr([...best, ...children.map(value)])
    const cap = caps.get(place)
    return cap !== undefined && less(cap, all) ? cap : all
  }
  return value('')
}

/** For a few votes on a few ways, all trusts below one: as a share. */
export function dividedScore(votes: readonly Vote[]): number {
  const heavy = (weight: number) => -Math.log(1 - weight)
  const byVote = stepsOf(votes, FLOATS)
  const caps = capsOf(byVote.flat(), FLOATS)
  const ways = byVote.flatMap((all, vote) => all.map((way) => ({ way, vote })))
  // How much of each vote and each peer one unit of weight on a way takes.
  const rows = new Map<string, number[]>()
  const take = (thing: string, way: number, share: number) => {
    if (!rows.has(thing))
      rows.set(
        thing,
        ways.map(() => 0)
      )
    rows.get(thing)![way] = share
  }
  for (const [i, { way, vote }] of ways.entries()) {
    take(`vote ${vote}`, i, 1 / heavy(way.at(-1)!.weight))
    for (const { peer, place } of way) take(peer, i, 1 / heavy(caps.get(place)!))
  }
  return 1 - Math.exp(-bestCorner([...rows.values()], ways.length))
}

/** The highest sum of `size` numbers, none negative, for which no row's weighted sum is above one: it is at a corner. */
export function bestCorner(rows: readonly (readonly number[])[], size: number): number {
  const signs = Array.from({ length: size }, (_, i) => ({ row: unit(size, i), right: 0 }))
  const planes = [...signs, ...rows.map((row) => ({ row, right: 1 }))]
  let best = 0
  for (const chosen of subsets(planes, size)) {
    const corner = solve(
      chosen.map(({ row }) => row),
      chosen.map(({ right }) => right)
    )
    if (corner === null || corner.some((x) => x < -1e-9)) continue
    if (rows.some((row) => row.reduce((sum, share, i) => sum + share * corner[i]!, 0) > 1 + 1e-9)) continue
    best = Math.max(
      best,
      corner.reduce((sum, x) => sum + x, 0)
    )
  }
  return best
}

function unit(size: number, at: number): number[] {
  return Array.from({ length: size }, (_, i) => (i === at ? 1 : 0))
}

function* subsets<T>(items: readonly T[], size: number, from = 0): Generator<T[]> {
  if (size === 0) yield []
  else
    for (let i = from; i <= items.length - size; i++)
      for (const rest of subsets(items, size - 1, i + 1)) yield [items[i]!, ...rest]
}

/** Gauss's elimination; null if there is not exactly one solution. */
function solve(matrix: readonly (readonly number[])[], right: readonly number[]): number[] | null {
  const rows = matrix.map((row, i) => [...row, right[i]!])
  for (let column = 0; column < rows.length; column++) {
    let pivot = column
    for (let i = column; i < rows.length; i++)
      if (Math.abs(rows[i]![column]!) > Math.abs(rows[pivot]![column]!)) pivot = i
    if (Math.abs(rows[pivot]![column]!) < 1e-12) return null
    ;[rows[column], rows[pivot]] = [rows[pivot]!, rows[column]!]
    for (const [i, row] of rows.entries()) {
      if (i === column) continue
      const factor = row[column]! / rows[column]![column]!
      for (let j = column; j < row.length; j++) row[j]! -= factor * rows[column]![j]!
    }
  }
  return rows.map((row, i) => row.at(-1)! / row[i]!)
}
