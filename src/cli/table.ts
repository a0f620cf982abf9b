/** Columns of text. On a terminal that is too narrow, the widest columns are cut until the table fits. */
import { printable } from './text.ts'

const GAP = '  '
/** Characters below which no column is cut. */
const MIN_COLUMN = 8

/** The first row is the header; every row has as many cells. `width`: the terminal's, or null for as wide as it takes. */
export function formatTable(rows: readonly (readonly string[])[], width: number | null): string {
  const cells = rows.map((row) => row.map((cell) => Array.from(printable(cell))))
  const widths = fit(
    (rows[0] ?? []).map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0))),
    width
  )
  return cells
    .map((row) =>
      row
        .map((cell, column) => padded(cell, widths[column] ?? 0))
        .join(GAP)
        .trimEnd()
    )
    .join('\n')
}

function fit(widths: number[], width: number | null): number[] {
  if (width === null) return widths
  let surplus = widths.reduce((sum, column) => sum + column, GAP.length * (widths.length - 1)) - width
  while (surplus > 0) {
    const widest = Math.max(...widths)
    if (widest <= MIN_COLUMN) break
    widths[widths.lastIndexOf(widest)] = widest - 1
    surplus--
  }
  return widths
}

function padded(cell: readonly string[], width: number): string {
  return cell.length > width
    ? `${cell.slice(0, width - 1).join('')}…`
    : cell.join('').padEnd(width + cell.join('').length - cell.length)
}
