import assert from 'node:assert/strict'
import { createCipheriv } from 'node:crypto'
import { test } from 'node:test'
import * as fc from 'fast-check'
import {
  boundBefore,
  compareBounds,
  createItemSetBuilder,
  HIGHEST,
  LOWEST,
  lowerIndex,
  sumRanges,
  type ItemSet
} from '../../src/core/reconcile-items.ts'
import { pageOf, toItemSet, type Item } from '../support/items.ts'

const SALT = Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex')

/** Few times and few key bytes, so that ties and long common prefixes are frequent. */
const item: fc.Arbitrary<Item> = fc.record({
  issuedAt: fc.nat(3),
  key: fc.array(fc.constantFrom(0, 1, 255), { minLength: 16, maxLength: 20 }).map((bytes) => Uint8Array.from(bytes)),
  ref: fc.nat()
})

function names(set: ItemSet): string[] {
  return Array.from({ length: set.size }, (_, i) => nameOf(set, i))
}

function nameOf(set: ItemSet, index: number): string {
  return `${set.issuedAt[index]}:${Buffer.from(set.keys.subarray(index * 16, index * 16 + 16)).toString('hex')}`
}

test('a set holds each item once, sorted by time and then by the first 16 bytes of the key', () => {
  fc.assert(
    fc.property(fc.array(item, { maxLength: 60 }), (items) => {
      const wanted = items.map(({ issuedAt, key }) => `${issuedAt}:${Buffer.from(key.slice(0, 16)).toString('hex')}`)
      assert.deepEqual(names(toItemSet(items)), [...new Set(wanted)].sort())
    })
  )
})

test('it does not matter in which pages the items come', () => {
  fc.assert(
    fc.property(fc.array(fc.array(item, { maxLength: 9 }), { maxLength: 9 }), (pages) => {
      const builder = createItemSetBuilder()
      for (const page of pages) builder.add(pageOf(page))
      assert.deepEqual(names(builder.build()), names(toItemSet(pages.flat())))
    })
  )
})

test('every item keeps its ref through the sort, and a set may outgrow its first capacity', () => {
  const items = Array.from({ length: 5000 }, (_, i) => ({
    issuedAt: (i * 7919) % 5000,
    key: new Uint8Array(16),
    ref: i
  }))
  const set = toItemSet(items)
  assert.equal(set.size, 5000)
  for (let i = 0; i < set.size; i++) assert.equal(items[set.refs[i]!]!.issuedAt, set.issuedAt[i])
})

test('the order is by unsigned bytes', () => {
  const key = (byte: number) => new Uint8Array(16).fill(byte)
  const set = toItemSet([200, 100].map((byte) => ({ issuedAt: 1, key: key(byte), ref: byte })))
  assert.deepEqual([...set.refs], [100, 200])
})

test('a time that is no safe integer, a short key and columns of unequal length are bugs of the caller', () => {
  const key = new Uint8Array(16)
  for (const issuedAt of [-1, 0.5, NaN, Infinity, Number.MAX_SAFE_INTEGER]) {
    assert.throws(() => toItemSet([{ issuedAt, key, ref: 0 }]), RangeError)
  }
  assert.equal(toItemSet([{ issuedAt: Number.MAX_SAFE_INTEGER - 1, key, ref: 0 }]).size, 1)
  assert.throws(() => toItemSet([{ issuedAt: 1, key: new Uint8Array(15), ref: 0 }]), RangeError)
  assert.throws(() => createItemSetBuilder().add({ issuedAt: [1, 2], keys: key, refs: [1] }), RangeError)
})

test('the bound before an item has all earlier items below it and no other one, and is the shortest such bound', () => {
  fc.assert(
    fc.property(fc.array(item, { minLength: 2, maxLength: 40 }), (items) => {
      const set = toItemSet(items)
      for (let index = 1; index < set.size; index++) {
        const bound = boundBefore(set, index)
        assert.equal(lowerIndex(set, bound, 0, set.size), index)
        assert.notEqual(bound.prefix.at(-1), 0)
        const shorter = { ...bound, prefix: bound.prefix.slice(0, -1) }
        if (bound.prefix.length > 0) assert.notEqual(lowerIndex(set, shorter, 0, set.size), index)
        assert.ok(compareBounds(LOWEST, bound) < 0 && compareBounds(bound, HIGHEST) < 0)
      }
      assert.equal(lowerIndex(set, LOWEST, 0, set.size), 0)
      assert.equal(lowerIndex(set, HIGHEST, 0, set.size), set.size)
    })
  )
})

test('the sum of a range is the sum of the AES masks of its items, modulo 2^64', () => {
  const keys = createCipheriv('aes-128-ctr', SALT, SALT).update(Buffer.alloc(10_000 * 16))
  const set = toItemSet(
    Array.from({ length: 10_000 }, (_, i) => ({ issuedAt: i, key: keys.subarray(i * 16, i * 16 + 16), ref: i }))
  )
  const sums = sumRanges(set, SALT)
  const mask = (index: number) =>
    createCipheriv('aes-128-ecb', SALT, null)
      .setAutoPadding(false)
      .update(set.keys.subarray(index * 16, index * 16 + 16))
      .readBigUInt64LE()
  for (const [from, to] of [
    [0, 0],
    [0, 1],
    [17, 18],
    [4090, 4110],
    [9000, 10_000]
  ] as const) {
    let wanted = 0n
    for (let i = from; i < to; i++) wanted = (wanted + mask(i)) % (1n << 64n)
    const { low, high } = sums.between(from, to)
    assert.equal((BigInt(high) << 32n) + BigInt(low), wanted, `${from} to ${to}`)
  }
})
