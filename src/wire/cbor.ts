/**
 * Reads the few kinds of CBOR that banmesh uses, item by item, so that the caller's shape decides what comes next: a
 * count is checked before anything is read for it, and hostile nesting finds no recursion.
 *
 * Only deterministic encoding passes (RFC 8949 section 4.2.1): heads as short as possible, no indefinite lengths. For
 * integers, byte strings and arrays it follows that what was read encodes to the same bytes again; text is the
 * exception (a byte order mark, bad UTF-8).
 */
import { Tokenizer, Type } from 'cborg'

const DETERMINISTIC = { strict: true, allowIndefinite: false, allowBigInt: true }

/** `not-cbor`: not well-formed, or not deterministic, or something follows; `bad-shape`: another kind than expected. */
export type CborRefusal = 'not-cbor' | 'bad-shape'

/** After the first refusal every method gives an empty value, so that one check does for a group of reads. */
export interface CborReader {
  /** The head of an array: its count. The items have to be read next. */
  array(): number
  /** The head of an array that has to have exactly `count` items. */
  tuple(count: number): void
  /** 0 to 2^53 - 1. */
  uint(): number
  /** A copy: it neither keeps the input alive nor changes with it. */
  bytes(): Uint8Array
  text(): string
  /** Says that nothing may follow. */
  end(): void
  refusal(): CborRefusal | null
}

const NO_BYTES = new Uint8Array(0)

export function createCborReader(input: Uint8Array): CborReader {
  // A Buffer's `slice`, which cborg uses for byte strings, would give views of the input.
  const tokens = new Tokenizer(new Uint8Array(input.buffer, input.byteOffset, input.byteLength), DETERMINISTIC)
  let refusal: CborRefusal | null = null

  function next(type: Type): unknown {
    if (refusal !== null) return null
    try {
      if (!tokens.done()) {
        const token = tokens.next()
        if (Type.equals(token.type, type)) return token.value
        refusal = 'bad-shape'
        return null
      }
    } catch {
      // cborg throws for every kind of malformed input, and only for that
    }
    refusal = 'not-cbor'
    return null
  }

  /** Above 2^53 - 1 cborg gives a bigint. */
  function number(type: Type): number {
    const value = next(type)
    if (typeof value === 'number') return value
    refusal ??= 'bad-shape'
    return 0
  }

  return {
    array: () => number(Type.array),
    tuple(count) {
      if (number(Type.array) !== count) refusal ??= 'bad-shape'
    },
    uint: () => number(Type.uint),
    bytes: () => (next(Type.bytes) as Uint8Array | null) ?? NO_BYTES,
    text: () => (next(Type.string) as string | null) ?? '',
    end() {
      if (!tokens.done()) refusal ??= 'not-cbor'
    },
    refusal: () => refusal
  }
}
