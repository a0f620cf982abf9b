/** Makes new inputs out of known ones: bytes flipped, put in, taken out, repeated, joined with those of another input. */

/** Values at which counts and lengths go wrong. */
const INTERESTING = [0, 1, 0x7f, 0x80, 0xff, 0x17, 0x18, 0x1b, 0x9b, 0x5b, 0x0a, 0x20, 0x22, 0x2f, 0x3a, 0x7b, 0x7d]
/** Bytes of the longest input; most are much shorter. */
const LONGEST = 64 * 1024

/** `random`: from 0 to below 1. Tokens are put in whole. */
export function mutate(corpus: readonly Uint8Array[], tokens: readonly string[], random: () => number): Uint8Array {
  const below = (limit: number): number => Math.floor(random() * limit)
  const pick = <T>(list: readonly T[]): T => list[below(list.length)]!
  let bytes: Uint8Array = Uint8Array.from(corpus.length === 0 ? [] : pick(corpus))
  for (let changes = 1 + below(4); changes > 0; changes--) {
    const at = below(bytes.length + 1)
    const length = 1 + below(random() < 0.9 ? 8 : 64)
    switch (below(9)) {
      case 0:
        if (at < bytes.length) bytes[at]! ^= 1 << below(8)
        break
      case 1:
        if (at < bytes.length) bytes[at] = random() < 0.5 ? pick(INTERESTING) : below(256)
        break
      case 2:
        bytes = splice(
          bytes,
          at,
          0,
          Uint8Array.from({ length }, () => below(256))
        )
        break
      case 3:
        bytes = splice(bytes, at, length, new Uint8Array(0))
        break
      case 4: {
        const block = bytes.slice(at, at + length)
        const times = random() < 0.95 ? 1 + below(4) : below(2000)
        bytes = splice(bytes, at, 0, repeat(block, times))
        break
      }
      case 5: {
        const other = corpus.length === 0 ? bytes : pick(corpus)
        bytes = splice(bytes, at, bytes.length, other.subarray(below(other.length + 1)))
        break
      }
      case 6:
        bytes = bytes.slice(0, at)
        break
      case 7:
        if (tokens.length > 0) bytes = splice(bytes, at, random() < 0.5 ? length : 0, Buffer.from(pick(tokens)))
        break
      case 8:
        // A number in binary that is one too many, or far too many.
        for (let i = at; i < Math.min(bytes.length, at + length); i++) bytes[i] = 0xff
        break
    }
  }
  return bytes.length > LONGEST ? bytes.slice(0, LONGEST) : bytes
}

function splice(bytes: Uint8Array, at: number, removed: number, inserted: Uint8Array): Uint8Array {
  const rest = bytes.subarray(Math.min(bytes.length, at + removed))
  const result = new Uint8Array(at + inserted.length + rest.length)
  result.set(bytes.subarray(0, at))
  result.set(inserted, at)
  result.set(rest, at + inserted.length)
  return result
}

function repeat(block: Uint8Array, times: number): Uint8Array {
  const result = new Uint8Array(Math.min(block.length * times, LONGEST))
  for (let at = 0; at + block.length <= result.length && block.length > 0; at += block.length) result.set(block, at)
  return result
}
