/** A set of CIDRs that answers fast whether a subject touches any of them, in either direction. */
import { cidrToBytes, type Cidr } from './cidr.ts'

/** First and last address of a CIDR, a character per byte, so that comparing texts compares addresses. */
export interface Range {
  readonly first: string
  readonly last: string
}

export function rangeOf(cidr: Cidr): Range {
  const { address, prefix } = cidrToBytes(cidr)
  let first = ''
  let last = ''
  for (const [i, byte] of address.entries()) {
    first += String.fromCharCode(byte)
    last += String.fromCharCode(byte | (0xff >> Math.min(8, Math.max(0, prefix - i * 8))))
  }
  return { first, last }
}

/**
 * Tells whether a range has an address in common with any of the given CIDRs. CIDRs nest or are disjoint, so the
 * outermost ones, sorted, need one binary search for both: what covers the range and what lies in it.
 */
export function createRanges(cidrs: Iterable<Cidr>): (range: Range) => boolean {
  const all = Array.from(cidrs, rangeOf)
  const v4 = outermost(all.filter(({ first }) => first.length === 4))
  const v6 = outermost(all.filter(({ first }) => first.length === 16))
  return ({ first, last }) => {
    const ranges = first.length === 4 ? v4 : v6
    let low = 0
    let high = ranges.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (ranges[middle]!.first <= last) low = middle + 1
      else high = middle
    }
    return low > 0 && ranges[low - 1]!.last >= first
  }
}

function outermost(ranges: readonly Range[]): Range[] {
  const kept: Range[] = []
  // Of two that begin together the wider one comes first.
  const sorted = ranges.toSorted((a, b) => compare(a.first, b.first) || compare(b.last, a.last))
  for (const range of sorted) {
    if (kept.length === 0 || range.first > kept.at(-1)!.last) kept.push(range)
  }
  return kept
}

function compare(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}
