/** A line of the table that `npm run bench` prints: one figure, beside its yardstick from the same run. */
import type { Spread } from './figures.ts'

export interface Line {
  readonly name: string
  readonly value: number
  readonly unit: string
  /** What the same machine did in the same run with the parts below us; null where there is nothing to compare with. */
  readonly yardstick: number | null
  /** The value by the yardstick; null without one. */
  readonly ratio: number | null
  /** `<= 2 x` of the yardstick, or `<= 400 B`: a relation and a number first, so that it can be checked; `-`: none. */
  readonly goal: string
  /** Of the value: see figures.ts. */
  readonly spread: Spread | null
  /** Null: there is no goal. */
  readonly met: boolean | null
}

export type Bench = () => AsyncGenerator<Line>

export function line(
  name: string,
  value: number,
  unit: string,
  yardstick: number | null,
  goal: string,
  spread: Spread | null = null
): Line {
  const ratio = yardstick === null ? null : value / yardstick
  return { name, value, unit, yardstick, ratio, goal, spread, met: isMet(goal, value, ratio) }
}

function isMet(goal: string, value: number, ratio: number | null): boolean | null {
  const parsed = /^(<=?|>=?) ?([\d.,]+)( ?x\b)?/.exec(goal)
  if (parsed === null) return null
  const [, relation, digits, times] = parsed
  const limit = Number(digits!.replaceAll(',', ''))
  const found = times === undefined ? value : ratio
  if (found === null) return null
  if (found === limit) return relation!.endsWith('=')
  return relation!.startsWith('<') === found < limit
}

export function printLine({ name, value, unit, yardstick, ratio, goal, spread, met }: Line): void {
  const range = spread === null ? '' : `(${short(spread.from)}..${short(spread.to)})`
  const compared = yardstick === null ? '' : `by ${short(yardstick)} = ${short(ratio!)} x`
  const verdict = met === null ? goal : `${met ? 'met' : 'MISSED'}: ${goal}`
  console.log(
    `${name.padEnd(58)} ${short(value).padStart(9)} ${unit.padEnd(10)} ${range.padEnd(18)} ${compared.padEnd(20)} ${verdict}`
  )
}

function short(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(value >= 1 ? 2 : 3)
}
