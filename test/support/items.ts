/** Items of a reconciliation one by one, as tests name them. */
import { createItemSetBuilder, KEY_BYTES, type ItemPage, type ItemSet } from '../../src/core/reconcile-items.ts'

export interface Item {
  /** Unix ms. */
  readonly issuedAt: number
  /** The first 16 bytes are used. */
  readonly key: Uint8Array
  readonly ref: number
}

export function pageOf(items: Iterable<Item>): ItemPage {
  const all = [...items]
  return {
    issuedAt: all.map(({ issuedAt }) => issuedAt),
    keys: Buffer.concat(all.map(({ key }) => key.subarray(0, KEY_BYTES))),
    refs: all.map(({ ref }) => ref)
  }
}

export function toItemSet(items: Iterable<Item>): ItemSet {
  const builder = createItemSetBuilder()
  builder.add(pageOf(items))
  return builder.build()
}
