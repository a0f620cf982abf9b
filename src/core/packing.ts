/**
 * What can be had at most by dividing things, each in any parts, among uses that take some of several things: a linear
 * program of the packing kind.
 *
 * Exact while it is small, by the simplex method (Dantzig's rule). Every state of it divides nothing twice, so that
 * stopping early, which no known case needs, would only be cautious. Beyond that greedily, one use after the other: also
 * never too much, but perhaps less than there is.
 */

export interface Use {
  /** What it brings if done once; it may be done in part, and more than once. At least 0. */
  readonly gain: number
  /** The things that it takes some of, at least one, each listed once, and the shares of them, above 0. */
  readonly things: readonly number[]
  readonly shares: readonly number[]
}

/** Up to so many cells of the tableau (things x uses) the answer is exact. */
export const EXACT_CELLS = 20_000
/** Pivots for each thing and use; fewer than one is usual. */
const PIVOTS = 8
/** Of shares and gains, which are about one. */
const TINY = 1e-12

interface Row {
  left: number
  readonly cells: Float64Array
}

/** `things` is their number. */
export function packExactly(things: number, uses: readonly Use[]): number {
  const rows = Array.from({ length: things }, (): Row => ({ left: 1, cells: new Float64Array(uses.length) }))
  for (const [j, use] of uses.entries())
    for (const [i, thing] of use.things.entries()) rows[thing]!.cells[j] = use.shares[i]!
  const gains = Float64Array.from(uses, ({ gain }) => gain)
  let total = 0
  for (let pivots = PIVOTS * (things + uses.length); pivots > 0; pivots--) {
    const column = entering(gains)
    const row = column === -1 ? null : leaving(rows, column)
    if (row === null) break
    // The variable of the column changes places with that of the row.
    const scale = 1 / row.cells[column]!
    row.cells[column] = 1
    row.left *= scale
    for (let j = 0; j < uses.length; j++) row.cells[j]! *= scale
    for (const other of rows) if (other !== row) other.left -= eliminate(other.cells, row.cells, column) * row.left
    total += eliminate(gains, row.cells, column) * row.left
  }
  return total
}

/** The column that gains most; -1 if none gains. */
function entering(gains: Float64Array): number {
  let best = -1
  for (let j = 0; j < gains.length; j++) if (gains[j]! > (best === -1 ? TINY : gains[best]!)) best = j
  return best
}

/** The row that limits a column first. */
function leaving(rows: readonly Row[], column: number): Row | null {
  let first: Row | null = null
  for (const row of rows) {
    if (row.cells[column]! <= TINY) continue
    if (first === null || row.left * first.cells[column]! < first.left * row.cells[column]!) first = row
  }
  return first
}

/** Takes the pivot's row away as often as the column holds it; returns how often. */
function eliminate(cells: Float64Array, pivot: Float64Array, column: number): number {
  const factor = cells[column]!
  if (factor === 0) return 0
  cells[column] = 0
  for (let j = 0; j < cells.length; j++) cells[j]! -= factor * pivot[j]!
  return factor
}

/** One use after the other as far as it goes. */
export function packGreedily(things: number, uses: readonly Use[]): number {
  const left = new Float64Array(things).fill(1)
  let total = 0
  for (const use of uses) {
    let part = Infinity
    for (const [i, thing] of use.things.entries()) part = Math.min(part, left[thing]! / use.shares[i]!)
    if (part <= TINY) continue
    for (const [i, thing] of use.things.entries()) left[thing]! -= part * use.shares[i]!
    total += part * use.gain
  }
  return total
}
