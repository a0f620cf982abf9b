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

/** Up to so many cells of the tableau (scarce things x uses) the answer is exact. */
export const EXACT_CELLS = 20_000
/** Pivots for each thing and use; fewer than one is usual. */
const PIVOTS = 8
/** Of shares and gains, which are about one. */
const TINY = 1e-12

/** `things` is their number. Null if there are too many of them and of uses. */
export function packExactly(things: number, uses: readonly Use[]): number | null {
  const { rows, rowOf } = scarceOf(things, uses)
  if (rows * uses.length > EXACT_CELLS) return null
  // A row for each scarce thing, the last one for the gains; a column for each use, the last one for what is left.
  const width = uses.length + 1
  const goal = rows * width
  const cells = new Float64Array(goal + width)
  for (let row = 0; row < rows; row++) cells[row * width + uses.length] = 1
  for (const [column, use] of uses.entries()) {
    cells[goal + column] = use.gain
    for (const [i, thing] of use.things.entries()) {
      const row = rowOf[thing]!
      if (row !== FREE) cells[row * width + column] = use.shares[i]!
    }
  }
  for (let pivots = PIVOTS * (things + uses.length); pivots > 0; pivots--) {
    const column = entering(cells, goal, width)
    const pivot = column === -1 ? -1 : leaving(cells, goal, width, column)
    if (pivot === -1) break
    // The variable of the column changes places with that of the row.
    const scale = 1 / cells[pivot + column]!
    cells[pivot + column] = 1
    for (let i = pivot; i < pivot + width; i++) cells[i]! *= scale
    for (let row = 0; row <= goal; row += width) if (row !== pivot) eliminate(cells, row, pivot, width, column)
  }
  return -cells[goal + width - 1]!
}

const FREE = -1

/** A thing that is wanted by one use only, which takes as much of something else, limits nothing: it needs no row. */
function scarceOf(things: number, uses: readonly Use[]): { rows: number; rowOf: Int32Array } {
  const wanted = new Int32Array(things)
  for (const use of uses) for (const thing of use.things) wanted[thing]!++
  const rowOf = new Int32Array(things).fill(FREE)
  let rows = 0
  for (const use of uses) {
    const most = use.shares.indexOf(Math.max(...use.shares))
    for (const [i, thing] of use.things.entries()) {
      if (rowOf[thing] === FREE && (wanted[thing]! > 1 || i === most)) rowOf[thing] = rows++
    }
  }
  return { rows, rowOf }
}

/** The column that gains most; -1 if none gains. */
function entering(cells: Float64Array, goal: number, width: number): number {
  let best = -1
  let most = TINY
  for (let column = 0; column < width - 1; column++) {
    if (cells[goal + column]! <= most) continue
    best = column
    most = cells[goal + column]!
  }
  return best
}

/** The start of the row that limits a column first; -1 if none does. */
function leaving(cells: Float64Array, goal: number, width: number, column: number): number {
  let first = -1
  for (let row = 0; row < goal; row += width) {
    if (cells[row + column]! <= TINY) continue
    const isBefore =
      first === -1 ||
      cells[row + width - 1]! * cells[first + column]! < cells[first + width - 1]! * cells[row + column]!
    if (isBefore) first = row
  }
  return first
}

/** Takes the pivot's row away from another as often as that one holds the column. */
function eliminate(cells: Float64Array, row: number, pivot: number, width: number, column: number): void {
  const factor = cells[row + column]!
  if (factor === 0) return
  cells[row + column] = 0
  for (let i = 0; i < width; i++) cells[row + i]! -= factor * cells[pivot + i]!
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
