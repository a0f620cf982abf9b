/** What is told of many figures: one in the middle, and how far they lie apart. */

/** The 10th and the 90th percentile; the least and the most of fewer than ten. */
export interface Spread {
  readonly from: number
  readonly to: number
}

export function median(values: readonly number[]): number {
  return percentile(values, 50)
}

/** The least value that so many percent of all don't exceed. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)]!
}

export function spreadOf(values: readonly number[]): Spread {
  if (values.length < 10) return { from: Math.min(...values), to: Math.max(...values) }
  return { from: percentile(values, 10), to: percentile(values, 90) }
}

/** Milliseconds of the machine's monotonic clock, which all processes have in common. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}
