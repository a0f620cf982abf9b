/**
 * The sorted set that a reconciliation works on, and sums over its ranges.
 *
 * A million items must stay cheap, so a set is three typed arrays: 32 bytes per item (8 `issuedAt`, 16 key, 8 ref), and
 * 8 more for the sums of one session. Sums are prefix sums: built once in O(n), a range then costs two subtractions.
 */
import { createCipheriv } from 'node:crypto'

/**
 * Bytes of a digest that make a key. Half a sha256 is enough here: to make two items one, an attacker has to collide
 * with a digest that somebody else's report decides (2^128); two of its own reports that collide (2^64) hide only
 * each other.
 */
export const KEY_BYTES = 16

/** Bytes of the secret that both sides mix into every sum: an AES-128 key. */
export const SALT_BYTES = 16

/** Items as columns: as many objects would take longer to make than all that is done with them. */
export interface ItemPage {
  /** Unix milliseconds: integers from 0 to below 2^53 - 1. */
  readonly issuedAt: readonly number[]
  /** `KEY_BYTES` per item, of a digest that covers all that makes this item differ from others, `issuedAt` too. */
  readonly keys: Uint8Array
  /** The caller's own numbers for the items, safe integers; they never travel. */
  readonly refs: readonly number[]
}

/** Sorted by (issuedAt, key), without duplicates; never changed after it was built. */
export interface ItemSet {
  readonly size: number
  readonly issuedAt: Float64Array
  /** `KEY_BYTES` per item. */
  readonly keys: Uint8Array
  readonly refs: Float64Array
}

/** A point between items: every item with a smaller (issuedAt, key) is below it. Missing bytes of the prefix are 0. */
export interface Bound {
  /** Infinity for the bound above all items. */
  readonly issuedAt: number
  /** 0 to `KEY_BYTES` bytes, the last of which is not 0: then every bound has one form. */
  readonly prefix: Uint8Array
}

const NO_PREFIX = new Uint8Array(0)
export const LOWEST: Bound = { issuedAt: 0, prefix: NO_PREFIX }
export const HIGHEST: Bound = { issuedAt: Infinity, prefix: NO_PREFIX }

/** 64 bits as two unsigned halves: the sum of a range, or the mask of one item. */
export interface Sum {
  readonly low: number
  readonly high: number
}

export interface RangeSums {
  /** The sum of the masks of items `from` (inclusive) to `to` (exclusive), modulo 2^64. */
  between(from: number, to: number): Sum
}

/** Items encrypted at a time, so that a set of any size needs the same scratch space. */
const CIPHER_CHUNK = 4096
const FIRST_CAPACITY = 1024

export interface ItemSetBuilder {
  add(page: ItemPage): void
  /** Sorts if need be (items that come in order cost no sort) and drops all but one of equal (issuedAt, key). */
  build(): ItemSet
}

export function createItemSetBuilder(): ItemSetBuilder {
  let capacity = FIRST_CAPACITY
  let issuedAt = new Float64Array(capacity)
  let keys = new Uint8Array(capacity * KEY_BYTES)
  let refs = new Float64Array(capacity)
  let size = 0
  let ascending = true

  function reserve(items: number): void {
    if (items <= capacity) return
    capacity = Math.max(items, 2 * capacity)
    issuedAt = grown(issuedAt, new Float64Array(capacity))
    keys = grown(keys, new Uint8Array(capacity * KEY_BYTES))
    refs = grown(refs, new Float64Array(capacity))
  }

  return {
    add(page) {
      const more = page.refs.length
      if (page.issuedAt.length !== more) throw new RangeError('a page has columns of one length')
      if (page.keys.length !== more * KEY_BYTES) throw new RangeError(`a key has ${KEY_BYTES} bytes`)
      if (!page.issuedAt.every(isTime)) throw new RangeError('issuedAt is not a safe integer')
      reserve(size + more)
      issuedAt.set(page.issuedAt, size)
      keys.set(page.keys, size * KEY_BYTES)
      refs.set(page.refs, size)
      for (let i = Math.max(1, size); ascending && i < size + more; i++) {
        ascending = compareItems(issuedAt, keys, i - 1, i) < 0
      }
      size += more
    },
    build() {
      if (ascending) {
        return {
          size,
          issuedAt: issuedAt.slice(0, size),
          keys: keys.slice(0, size * KEY_BYTES),
          refs: refs.slice(0, size)
        }
      }
      const order = sortedOrder(issuedAt, keys, size)
      const sorted = new Uint8Array(order.length * KEY_BYTES)
      order.forEach((from, to) => sorted.set(keys.subarray(from * KEY_BYTES, (from + 1) * KEY_BYTES), to * KEY_BYTES))
      return {
        size: order.length,
        issuedAt: Float64Array.from(order, (from) => issuedAt[from]!),
        keys: sorted,
        refs: Float64Array.from(order, (from) => refs[from]!)
      }
    }
  }
}

/**
 * The mask of an item is the first 8 bytes of AES-128(salt, key), read as a little-endian number; a range's sum adds
 * them up. Why a cipher: src/core/reconcile.ts. All keys go through the cipher in few calls, about 10 ns each.
 */
export function sumRanges(items: ItemSet, salt: Uint8Array): RangeSums {
  const low = new Uint32Array(items.size + 1)
  const high = new Uint32Array(items.size + 1)
  const cipher = createCipheriv('aes-128-ecb', salt, null).setAutoPadding(false)
  for (let start = 0; start < items.size; start += CIPHER_CHUNK) {
    const end = Math.min(items.size, start + CIPHER_CHUNK)
    const encrypted = cipher.update(items.keys.subarray(start * KEY_BYTES, end * KEY_BYTES))
    const masks = new DataView(encrypted.buffer, encrypted.byteOffset, encrypted.byteLength)
    for (let i = start, at = 0; i < end; i++, at += KEY_BYTES) {
      const sum = low[i]! + masks.getUint32(at, true)
      low[i + 1] = sum
      high[i + 1] = high[i]! + masks.getUint32(at + 4, true) + (sum > 0xffffffff ? 1 : 0)
    }
  }
  return {
    between(from, to) {
      const difference = low[to]! - low[from]!
      return { low: difference >>> 0, high: (high[to]! - high[from]! - (difference < 0 ? 1 : 0)) >>> 0 }
    }
  }
}

/** The index of the first item of `from` to `to` that is not below the bound; `to` if there is none. O(log n). */
export function lowerIndex(items: ItemSet, bound: Bound, from: number, to: number): number {
  let low = from
  let high = to
  while (low < high) {
    const middle = (low + high) >>> 1
    if (isBelow(items, middle, bound)) low = middle + 1
    else high = middle
  }
  return low
}

/** The shortest bound that has item `index` - 1 below it and item `index` not. */
export function boundBefore(items: ItemSet, index: number): Bound {
  const issuedAt = items.issuedAt[index]!
  if (items.issuedAt[index - 1] !== issuedAt) return { issuedAt, prefix: NO_PREFIX }
  const start = index * KEY_BYTES
  let length = 0
  while (items.keys[start + length] === items.keys[start - KEY_BYTES + length]) length++
  return { issuedAt, prefix: items.keys.slice(start, start + length + 1) }
}

/** Negative, zero or positive, as in a sort. */
export function compareBounds(a: Bound, b: Bound): number {
  if (a.issuedAt !== b.issuedAt) return a.issuedAt < b.issuedAt ? -1 : 1
  return Buffer.compare(a.prefix, b.prefix)
}

function isBelow(items: ItemSet, index: number, bound: Bound): boolean {
  const issuedAt = items.issuedAt[index]!
  if (issuedAt !== bound.issuedAt) return issuedAt < bound.issuedAt
  for (let i = 0; i < bound.prefix.length; i++) {
    const difference = items.keys[index * KEY_BYTES + i]! - bound.prefix[i]!
    if (difference !== 0) return difference < 0
  }
  return false
}

function compareItems(issuedAt: Float64Array, keys: Uint8Array, a: number, b: number): number {
  if (issuedAt[a] !== issuedAt[b]) return issuedAt[a]! - issuedAt[b]!
  for (let i = 0; i < KEY_BYTES; i++) {
    const difference = keys[a * KEY_BYTES + i]! - keys[b * KEY_BYTES + i]!
    if (difference !== 0) return difference
  }
  return 0
}

/** Of a plain array, whose sort makes use of what is in order already: most is. */
function sortedOrder(issuedAt: Float64Array, keys: Uint8Array, size: number): number[] {
  const order = Array.from({ length: size }, (_, index) => index)
  order.sort((a, b) => compareItems(issuedAt, keys, a, b))
  return order.filter((index, i) => i === 0 || compareItems(issuedAt, keys, order[i - 1]!, index) !== 0)
}

function grown<A extends Float64Array | Uint8Array>(old: A, larger: A): A {
  larger.set(old)
  return larger
}

function isTime(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0 && value < Number.MAX_SAFE_INTEGER
}
