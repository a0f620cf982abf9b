/**
 * One range at a time: what the partner's words about it tell, and with which words we go on. The rules of the dialogue
 * are in src/core/reconcile.ts.
 */
import type { Range } from './reconcile-codec.ts'
import { boundBefore, type Bound, type ItemSet, type RangeSums, type Sum } from './reconcile-items.ts'

/** Parts into which a differing range is split. More parts: fewer rounds, more bytes. */
export const BRANCHES = 16
/** Up to so many items a side sends the list instead of splitting; at least `BRANCHES`, so that no part is empty. */
export const LEAF_ITEMS = 32

/** A range with the own items in it, as indexes `from` (inclusive) to `to` (exclusive). */
export interface Span {
  readonly lower: Bound
  readonly upper: Bound
  readonly from: number
  readonly to: number
}

/** What we sent and the partner has not replied to. */
export interface Question extends Span {
  readonly mode: 'sum' | 'list'
}

/** What the partner waits for: the answer to its list, or the parts of a range whose sums differ. */
export interface Task extends Span {
  readonly answer: (Range & { readonly mode: 'answer' }) | null
}

/** What a message has told so far. */
export interface Learnt {
  readonly tasks: Task[]
  readonly have: number[]
  need: number
}

/** Adds what one range of the partner, over the same span as ours, tells. */
export function learn(sums: RangeSums, range: Exclude<Range, { mode: 'skip' }>, span: Span, learnt: Learnt): void {
  if (range.mode === 'sum') {
    if (!equal(range.sum, sums.between(span.from, span.to))) learnt.tasks.push({ ...span, answer: null })
  } else if (range.mode === 'list') {
    const { extra, lacks } = compareWithList(sums, range.masks, span)
    const need = lacks.filter(Boolean).length
    for (const index of extra) learnt.have.push(index)
    learnt.need += need
    if (extra.length + need > 0) {
      const answer = { mode: 'answer', upper: span.upper, extra: extra.length, lacks } as const
      learnt.tasks.push({ ...span, answer })
    }
  } else {
    range.lacks.forEach((lacking, at) => lacking && learnt.have.push(span.from + at))
    learnt.need += range.extra
  }
}

/** Which own items are not listed, and which listed ones are not here. One look-up for each own item. */
function compareWithList(sums: RangeSums, masks: readonly Sum[], { from, to }: Span) {
  const lacks = masks.map(() => true)
  const extra: number[] = []
  const listed = Map.groupBy(masks.keys(), (at) => masks[at]!.low)
  for (let index = from; index < to; index++) {
    const own = sums.between(index, index + 1)
    const found = listed.get(own.low)?.find((at) => masks[at]!.high === own.high)
    if (found === undefined) extra.push(index)
    else lacks[found] = false
  }
  return { extra, lacks }
}

/** The questions that replace a range whose sums differ: one list, or parts of about equal size. */
export function split(items: ItemSet, { lower, upper, from, to }: Span): Question[] {
  const count = to - from
  if (count <= LEAF_ITEMS) return [{ lower, upper, from, to, mode: 'list' }]
  const parts: Question[] = []
  for (let part = 0; part < BRANCHES; part++) {
    const start = parts.at(-1)
    const end = from + Math.ceil((count * (part + 1)) / BRANCHES)
    parts.push({
      lower: start?.upper ?? lower,
      upper: part === BRANCHES - 1 ? upper : boundBefore(items, end),
      from: start?.to ?? from,
      to: end,
      mode: 'sum'
    })
  }
  return parts
}

export function toRange(sums: RangeSums, { mode, upper, from, to }: Question): Range {
  if (mode === 'sum') return { mode, upper, sum: sums.between(from, to) }
  return { mode, upper, masks: Array.from({ length: to - from }, (_, at) => sums.between(from + at, from + at + 1)) }
}

function equal(a: Sum, b: Sum): boolean {
  return a.low === b.low && a.high === b.high
}
