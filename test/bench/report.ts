/** A line of the table that `npm run bench` prints: one figure, beside its yardstick from the same run. */
export interface Line {
  readonly name: string
  readonly value: number
  readonly unit: string
  /** What the same machine did in the same run with the parts below us; null where there is nothing to compare with. */
  readonly yardstick: number | null
  readonly ratio: number | null
  /** What we want it to be, in words. */
  readonly goal: string
}

export type Bench = () => AsyncGenerator<Line>

export function line(name: string, value: number, unit: string, yardstick: number | null, goal: string): Line {
  return { name, value, unit, yardstick, ratio: yardstick === null ? null : value / yardstick, goal }
}

export function printLine({ name, value, unit, yardstick, ratio, goal }: Line): void {
  const compared = yardstick === null ? '' : `yardstick ${short(yardstick)} ${unit}, ratio ${short(ratio!)}`
  console.log(`${name.padEnd(52)} ${short(value).padStart(9)} ${unit.padEnd(8)} ${compared.padEnd(42)} ${goal}`)
}

function short(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2)
}
