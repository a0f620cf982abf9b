/** Random numbers that are the same for the same seed, on every machine: sfc32 (Chris Doty-Humphrey, PractRand). */

export interface Random {
  /** In [0, 1). */
  next(): number
  /** A whole number in [0, bound). */
  below(bound: number): number
  /** So many different whole numbers in [0, bound), or all of them if there are fewer. */
  distinct(count: number, bound: number): number[]
}

/** Each list of numbers is a stream of its own, e.g. seed, run and what it is for. */
export function createRandom(...seed: readonly number[]): Random {
  let a = 0x9e3779b9
  let b = 0x243f6a88
  let c = 0xb7e15162
  let counter = 1

  function word(): number {
    const sum = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = ((c << 21) | (c >>> 11)) + sum
    c |= 0
    return sum >>> 0
  }

  for (const part of seed) {
    a ^= part
    for (let i = 0; i < 12; i++) word()
  }

  const next = () => word() / 2 ** 32
  const below = (bound: number) => Math.floor(next() * bound)
  return {
    next,
    below,
    distinct(count, bound) {
      const chosen = new Set<number>()
      while (chosen.size < Math.min(count, bound)) chosen.add(below(bound))
      return [...chosen]
    }
  }
}
