/**
 * Messages of a reconciliation as bytes. Every message has exactly one encoding, and what does not follow it is refused;
 * the format is in src/core/reconcile.ts.
 */
import { compareBounds, HIGHEST, KEY_BYTES, LOWEST, SALT_BYTES, type Bound, type Sum } from './reconcile-items.ts'
import { ok, refuse, type Result } from './result.ts'

/** What the sender says about its items from the upper bound of the range before (or from the lowest) up to `upper`. */
export type Range =
  | { readonly mode: 'skip'; readonly upper: Bound }
  | { readonly mode: 'sum'; readonly upper: Bound; readonly sum: Sum }
  | { readonly mode: 'list'; readonly upper: Bound; readonly masks: readonly Sum[] }
  /** To a list: how many items the sender has beyond it, and which of the listed ones it lacks. */
  | { readonly mode: 'answer'; readonly upper: Bound; readonly extra: number; readonly lacks: readonly boolean[] }

export interface Message {
  /** In the first message of the initiator, and only there. */
  readonly salt: Uint8Array | null
  /** Whether the ranges end with all that the sender has to say; if not, nothing is said beyond the last one. */
  readonly complete: boolean
  readonly ranges: readonly Range[]
}

export interface MessageLimits {
  /** Bytes of one message. */
  readonly messageBytes: number
  /** Ranges in one message, skipped ones too. */
  readonly ranges: number
  /** Items in one list. */
  readonly listItems: number
}

export type MessageRefusal = 'oversized' | 'malformed' | 'too-many-ranges' | 'long-list'

export interface MessageWriter {
  /** Appends all of these ranges, which start at `lower`, or none of them if they do not fit (false). */
  add(lower: Bound, ranges: readonly Range[]): boolean
  finish(complete: boolean): Uint8Array
}

const MODES = ['skip', 'sum', 'list', 'answer'] as const
const MODE_SHIFT = 5
const LENGTH_MASK = (1 << MODE_SHIFT) - 1
const COMPLETE = 1
const SALTED = 2
const SUM_BYTES = 8
/** Bytes of the longest varint: 2^53 - 1. */
const VARINT_BYTES = 8
const FIRST_CAPACITY = 1024

export function createMessageWriter(limits: MessageLimits, salt: Uint8Array | null): MessageWriter {
  let bytes = new Uint8Array(FIRST_CAPACITY)
  let length = 1
  let count = 0
  let last: Bound = LOWEST
  if (salt !== null) putBytes(salt)

  function put(byte: number): void {
    if (length === bytes.length) {
      const larger = new Uint8Array(bytes.length * 2)
      larger.set(bytes)
      bytes = larger
    }
    bytes[length++] = byte
  }
  function putBytes(many: Uint8Array): void {
    for (const byte of many) put(byte)
  }
  function putVarint(value: number): void {
    let rest = value
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) put((rest % 0x80) + 0x80)
    put(rest)
  }
  function putSum({ low, high }: Sum): void {
    for (const half of [low, high]) for (let shift = 0; shift < 32; shift += 8) put((half >>> shift) & 0xff)
  }
  function putRange(range: Range): void {
    const { issuedAt, prefix } = range.upper
    putVarint(issuedAt === Infinity ? 0 : 1 + issuedAt - last.issuedAt)
    put((MODES.indexOf(range.mode) << MODE_SHIFT) | prefix.length)
    putBytes(prefix)
    if (range.mode === 'sum') putSum(range.sum)
    if (range.mode === 'list') {
      putVarint(range.masks.length)
      for (const mask of range.masks) putSum(mask)
    }
    if (range.mode === 'answer') {
      putVarint(range.extra)
      putVarint(range.lacks.length)
      for (let i = 0; i < range.lacks.length; i += 8) {
        put(range.lacks.slice(i, i + 8).reduce((byte, lacks, bit) => byte | (lacks ? 1 << bit : 0), 0))
      }
    }
    last = range.upper
    count++
  }

  return {
    add(lower, ranges) {
      const before = { length, count, last }
      if (compareBounds(lower, last) !== 0) putRange({ mode: 'skip', upper: lower })
      for (const range of ranges) putRange(range)
      if (length <= limits.messageBytes && count <= limits.ranges) return true
      ;({ length, count, last } = before)
      return false
    },
    finish(complete) {
      bytes[0] = (complete ? COMPLETE : 0) | (salt === null ? 0 : SALTED)
      return bytes.slice(0, length)
    }
  }
}

/**
 * Reads what a partner sent. Refused: `oversized`, `too-many-ranges` and `long-list` beyond the limits; `malformed` for
 * everything that no honest writer makes (cut short, bytes left over, numbers or bounds in a longer form than needed,
 * bounds that do not ascend, skips that say nothing).
 */
export function decodeMessage(message: Uint8Array, limits: MessageLimits): Result<Message, MessageRefusal> {
  if (message.length > limits.messageBytes) return refuse('oversized')
  // A Buffer's slices would share its memory, and one bound keep a whole message.
  const bytes = new Uint8Array(message.buffer, message.byteOffset, message.length)
  const flags = bytes[0]
  if (flags === undefined || flags > (COMPLETE | SALTED)) return refuse('malformed')
  const salted = (flags & SALTED) !== 0
  let at = salted ? 1 + SALT_BYTES : 1
  if (at > bytes.length) return refuse('malformed')
  const ranges: Range[] = []
  let last: Bound = LOWEST
  while (at < bytes.length) {
    if (ranges.length === limits.ranges) return refuse('too-many-ranges')
    const before = ranges.at(-1)
    const range = readRange()
    if (range === 'long-list') return refuse('long-list')
    if (range === null || compareBounds(range.upper, last) <= 0) return refuse('malformed')
    if (range.mode === 'skip' && before?.mode === 'skip') return refuse('malformed')
    ranges.push(range)
    last = range.upper
  }
  if (ranges.at(-1)?.mode === 'skip') return refuse('malformed')
  return ok({ salt: salted ? bytes.slice(1, 1 + SALT_BYTES) : null, complete: (flags & COMPLETE) !== 0, ranges })

  function readRange(): Range | 'long-list' | null {
    const delta = readVarint()
    const head = bytes[at++]
    if (delta === null || head === undefined) return null
    const mode = MODES[head >> MODE_SHIFT]
    const upper = readBound(delta, head & LENGTH_MASK)
    if (mode === undefined || upper === null) return null
    if (mode === 'skip') return { mode, upper }
    if (mode === 'sum') {
      const sum = readSum()
      return sum && { mode, upper, sum }
    }
    const extra = mode === 'answer' ? readVarint() : 0
    const listed = readVarint()
    if (extra === null || listed === null) return null
    if (listed > limits.listItems) return 'long-list'
    if (mode === 'answer') {
      const lacks = readBits(listed)
      return lacks && { mode, upper, extra, lacks }
    }
    if (at + listed * SUM_BYTES > bytes.length) return null
    return { mode, upper, masks: Array.from({ length: listed }, () => readSum()!) }
  }

  function readBound(delta: number, prefixLength: number): Bound | null {
    if (delta === 0) return prefixLength === 0 ? HIGHEST : null
    const issuedAt = last.issuedAt + (delta - 1)
    const prefix = bytes.slice(at, at + prefixLength)
    at += prefixLength
    if (!Number.isSafeInteger(issuedAt) || prefixLength > KEY_BYTES || at > bytes.length) return null
    return prefix.at(-1) === 0 ? null : { issuedAt, prefix }
  }

  function readVarint(): number | null {
    let value = 0
    for (let i = 0, factor = 1; i < VARINT_BYTES; i++, factor *= 0x80) {
      const byte = bytes[at++]
      if (byte === undefined) return null
      value += (byte & 0x7f) * factor
      if (byte < 0x80) return (byte === 0 && i > 0) || !Number.isSafeInteger(value) ? null : value
    }
    return null
  }

  function readSum(): Sum | null {
    if (at + SUM_BYTES > bytes.length) return null
    const view = new DataView(bytes.buffer, bytes.byteOffset + at, SUM_BYTES)
    at += SUM_BYTES
    return { low: view.getUint32(0, true), high: view.getUint32(4, true) }
  }

  function readBits(count: number): boolean[] | null {
    const start = at
    at += Math.ceil(count / 8)
    if (at > bytes.length) return null
    if (count % 8 !== 0 && bytes[at - 1]! >> (count % 8) !== 0) return null
    return Array.from({ length: count }, (_, i) => ((bytes[start + (i >> 3)]! >> (i & 7)) & 1) === 1)
  }
}
