/**
 * A peer ID in a form that two people can compare by voice: six groups of five digits, about 100 bits. Whoever hands out an
 * invite with an ID of his own making would have to try some 10^30 keys until one has the same digits.
 */
import { createHash } from 'node:crypto'

const GROUPS = 6
/** Bits of the hash behind each group: 5 digits out of them leave a bias of less than one in ten million. */
const GROUP_BYTES = 5
const GROUP_SIZE = 100_000

/** `48213 90557 11248 73961 05523 88420`: the same on every machine, for it is of the ID alone. */
export function fingerprint(id: string): string {
  const hash = createHash('sha256').update(`banmesh-fingerprint:${id}`).digest()
  return Array.from({ length: GROUPS }, (_, i) => {
    const value = hash.readUIntBE(i * GROUP_BYTES, GROUP_BYTES) % GROUP_SIZE
    return String(value).padStart(5, '0')
  }).join(' ')
}
