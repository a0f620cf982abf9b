/**
 * Trust arithmetic on integer parts per million, without floating point: every product is rounded down, so that no
 * result is ever above the exact value, and the same evidence gives the same number on every machine.
 */
import type { Path } from './evidence.ts'
import { ONE, type Ppm } from './report.ts'

/** `noisyOr` works with this many parts of one ppm; more would leave the 53 bits of an exact integer. */
const FINE = 1000

/** The share `a` of the share `b`. */
export function multiply(a: Ppm, b: Ppm): Ppm {
  return Math.floor((a * b) / ONE)
}

/** How much we believe what came by this path: trust in the friend times the product of the hops' trust. */
export function confidence({ trust, hops }: Path): Ppm {
  let product = trust
  for (let i = hops.length - 1; i >= 0; i--) product = multiply(product, hops[i]!.trust)
  return product
}

/**
 * `min(cap, 1 - (1-x1)(1-x2)...)`: the chance that at least one of several independent statements is right, no more
 * than `cap`. It is the exact value rounded down, hence independent of the order and never lower for more or higher
 * values.
 *
 * The complement is kept between two integer bounds; nearly always they agree on the answer, else it is computed
 * exactly.
 */
export function noisyOr(values: readonly Ppm[], cap: Ppm = ONE): Ppm {
  // A complement of at most this much decides: the cap is reached, or only certainty (a value of ONE) could say more.
  const enough = Math.max(ONE - cap, 1) * FINE
  let low = ONE * FINE
  let high = low
  for (const value of values) {
    low = Math.floor((low * (ONE - value)) / ONE)
    high = Math.ceil((high * (ONE - value)) / ONE)
    if (high <= enough) return cap < ONE || values.includes(ONE) ? cap : ONE - 1
  }
  const upper = Math.ceil(high / FINE)
  return Math.min(cap, ONE - (Math.ceil(low / FINE) === upper ? upper : exactComplement(values)))
}

/** The product of `1-x` in ppm, rounded up. */
function exactComplement(values: readonly Ppm[]): Ppm {
  let factors = values.map((value) => BigInt(ONE - value))
  const scale = BigInt(ONE) ** BigInt(factors.length - 1)
  // In pairs, because a product of long numbers is cheaper than many products of a long and a short one.
  while (factors.length > 1) {
    const half = Math.ceil(factors.length / 2)
    factors = factors.slice(0, half).map((factor, i) => factor * (factors[i + half] ?? 1n))
  }
  return Number((factors[0]! + scale - 1n) / scale)
}
