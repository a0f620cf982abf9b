/**
 * Random CIDRs as fast-check wants them, many of them close to each other, and an independent view of them as numbers.
 */
import * as fc from 'fast-check'
import { cidrFromBytes, type Cidr } from '../../src/core/cidr.ts'
import { PROTOCOL_LIMITS } from '../../src/core/limits.ts'
import { parseSubject, type Subject } from '../../src/core/subject.ts'

/** Bytes that make nesting, neighbours and every kind of zero run likely. */
const byte = fc.oneof(fc.constantFrom(0, 1, 255), fc.integer({ min: 0, max: 255 }))

function cidrsOf(length: 4 | 16, widest: number): fc.Arbitrary<Cidr> {
  const near = fc.uint8Array({ minLength: 1, maxLength: 3 }).map((tail) => {
    const base = length === 4 ? [198, 51, 100, 0] : [0x20, 0x01, 0x0d, 0xb8, ...Array.from({ length: 12 }, () => 0)]
    return Uint8Array.from([...base.slice(0, length - tail.length), ...tail])
  })
  const far = fc.array(byte, { minLength: length, maxLength: length }).map((bytes) => Uint8Array.from(bytes))
  return fc
    .record({ address: fc.oneof(near, far), prefix: fc.integer({ min: widest, max: length * 8 }) })
    .map((bytes) => cidrFromBytes(bytes)!)
}

export const cidrs: fc.Arbitrary<Cidr> = fc.oneof(cidrsOf(4, 0), cidrsOf(16, 0))

/** v4-mapped ones come out as IPv4, where they may be too wide. */
export const subjects: fc.Arbitrary<Subject> = fc
  .oneof(cidrsOf(4, PROTOCOL_LIMITS.minPrefixV4), cidrsOf(16, PROTOCOL_LIMITS.minPrefixV6))
  .map((cidr) => parseSubject(cidr))
  .filter((subject) => subject.ok)
  .map((subject) => subject.value)

/** First and last address as numbers, read from the text alone. */
export function span(cidr: Cidr): { family: 4 | 6; first: bigint; last: bigint } {
  const [host, prefix] = cidr.split('/') as [string, string | undefined]
  const family = host.includes(':') ? 6 : 4
  const bits = family === 4 ? 32 : 128
  const first = family === 4 ? v4(host) : v6(host)
  return { family, first, last: first + (1n << BigInt(bits - Number(prefix ?? bits))) - 1n }
}

function v4(host: string): bigint {
  return host.split('.').reduce((sum, part) => sum * 256n + BigInt(part), 0n)
}

function v6(host: string): bigint {
  const [head, tail] = host.split('::') as [string, string | undefined]
  const left = head === '' ? [] : head.split(':')
  const right = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => '0')
  return [...left, ...zeros, ...right].reduce((sum, part) => sum * 65_536n + BigInt(`0x${part}`), 0n)
}
