/**
 * The dual simplex method on a dense tableau: from a state in which nothing could bring more, but some limits are broken, to
 * the best one that keeps them all. Few limits are broken by what every vote would like best, so there is less to do than
 * from nothing, with the primal method: 26 % of a judgement of 10 origins that came by 8 friends.
 */

/** Pivots for each row and column; fewer than one is usual. */
const PIVOTS = 8
/** Of shares and gains, which are about one. */
const TINY = 1e-12
const NONE = -1

/** The columns in which the pivot's row has something; kept, for making it anew would cost as much as a pivot. */
const filled: number[] = []

/**
 * `cells` has a row for each limit, the last one for the gains, which are negative; of each, what a unit of every column takes,
 * and then what is left. Returns the highest gain; null if it does not come to an end, which no known case does.
 */
export function maximise(cells: number[], rows: number, columns: number): number | null {
  const width = columns + 1
  const goal = rows * width
  for (let pivots = PIVOTS * (rows + columns); pivots > 0; pivots--) {
    const row = leaving(cells, goal, width)
    if (row === NONE) return -cells[goal + columns]!
    const column = entering(cells, goal, width, row)
    if (column === NONE) return null
    exchange(cells, goal, width, row, column)
  }
  return null
}

/** The start of the row of which most is missing; none if none is. */
function leaving(cells: readonly number[], goal: number, width: number): number {
  let worst = NONE
  let least = -TINY
  for (let row = 0; row < goal; row += width) {
    if (cells[row + width - 1]! >= least) continue
    worst = row
    least = cells[row + width - 1]!
  }
  return worst
}

/** The column that makes up for it at the lowest loss; none if none does. */
function entering(cells: readonly number[], goal: number, width: number, row: number): number {
  let cheapest = NONE
  let least = Infinity
  for (let column = 0; column < width - 1; column++) {
    const rate = cells[row + column]!
    if (rate >= -TINY) continue
    const loss = cells[goal + column]! / rate
    if (loss >= least) continue
    cheapest = column
    least = loss
  }
  return cheapest
}

/** The variable of the column changes places with that of the row. */
function exchange(cells: number[], goal: number, width: number, pivot: number, column: number): void {
  const scale = 1 / cells[pivot + column]!
  cells[pivot + column] = 1
  let count = 0
  for (let i = 0; i < width; i++) {
    if (cells[pivot + i] === 0) continue
    cells[pivot + i]! *= scale
    filled[count++] = i
  }
  for (let row = 0; row <= goal; row += width) {
    const factor = cells[row + column]!
    if (row === pivot || factor === 0) continue
    cells[row + column] = 0
    for (let k = 0; k < count; k++) cells[row + filled[k]!]! -= factor * cells[pivot + filled[k]!]!
  }
}
