/**
 * Ban lists of others, line by line: plain (addresses, one or several a line), CSV with an address in one of its columns
 * and perhaps an end in one named `until`, and what `fail2ban-client get JAIL banip` prints, with and without
 * `--with-time`. Pure: text in, bans and refused lines out.
 */
import { PROTOCOL_LIMITS } from '../core/limits.ts'
import { parseSubject, type Subject } from '../core/subject.ts'

/** Bans in one file. */
export const BANLIST_BANS = 1_000_000
/** Bytes of a file. */
export const BANLIST_BYTES = 128 * 1024 * 1024

export interface ListedBan {
  readonly subject: Subject
  readonly ttlSeconds: number
}

export type LineRefusal = 'not-an-address' | 'over-wide' | 'ended' | 'duplicate' | 'too-many'

export interface RefusedLine {
  /** From 1. */
  readonly line: number
  /** As in the file, the first 64 characters. */
  readonly text: string
  readonly reason: LineRefusal
}

export interface Banlist {
  readonly bans: readonly ListedBan[]
  readonly refused: readonly RefusedLine[]
}

export interface BanlistOptions {
  /** For a ban whose line names no end. */
  readonly ttlSeconds: number
  /** Unix ms. */
  readonly now: number
  /** Default `BANLIST_BANS`. */
  readonly maxBans?: number
}

/** `203.0.113.7 \t2026-11-20 18:00:00 + 600 = 2026-11-20 18:10:00`, in fail2ban's time zone, which is taken for ours. */
const WITH_TIME =
  /^(\S+)\s+(\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d) \+ (-?\d{1,12}) = \d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/
const COMMENT = /^\s*(?:[#;]|\/\/)|^\s*$/
/** What separates addresses in a plain line, and cells in a CSV. */
const SEPARATOR = /[\s,;|]+/

interface Read {
  readonly text: string
  /** Unix seconds; null: the line does not say. */
  readonly until: number | null
}

export function parseBanlist(content: string, { ttlSeconds, now, maxBans = BANLIST_BANS }: BanlistOptions): Banlist {
  const nowSeconds = Math.floor(now / 1000)
  const bans = new Map<Subject, ListedBan>()
  const refused: RefusedLine[] = []
  let untilColumn: number | null = null
  let first = true

  for (const [index, line] of content
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .entries()) {
    if (COMMENT.test(line)) continue
    const refuse = (text: string, reason: LineRefusal): void => {
      refused.push({ line: index + 1, text: text.trim().slice(0, 64), reason })
    }
    if (first && isHeader(line)) {
      const column = cellsOf(line).findIndex((cell) => /^(until|ends?|expires?)$/i.test(cell))
      untilColumn = column < 0 ? null : column
      first = false
      continue
    }
    first = false
    for (const { text, until } of readLine(line.replace(/\s#.*$/, ''), untilColumn)) {
      const subject = parseSubject(text)
      const left = until === null ? ttlSeconds : until - nowSeconds
      if (!subject.ok) refuse(text, subject.reason === 'over-wide' ? 'over-wide' : 'not-an-address')
      else if (left <= 0) refuse(text, 'ended')
      else if (bans.has(subject.value)) refuse(text, 'duplicate')
      else if (bans.size >= maxBans) refuse(text, 'too-many')
      else {
        const bounded = Math.min(left, PROTOCOL_LIMITS.ttlSeconds)
        bans.set(subject.value, { subject: subject.value, ttlSeconds: bounded })
      }
    }
  }
  return { bans: [...bans.values()], refused }
}

function readLine(line: string, untilColumn: number | null): Read[] {
  const timed = WITH_TIME.exec(line.trim())
  if (timed !== null) return [{ text: timed[1]!, until: endOf(timed.slice(2).map(Number)) }]
  const cells = cellsOf(line)
  const isAddress = (cell: string): boolean => parseSubject(cell).ok
  if (untilColumn !== null || (/[,;|]/.test(line) && !cells.every(isAddress))) {
    const text = cells.find(isAddress) ?? cells[0] ?? line
    return [{ text, until: untilColumn === null ? null : readTime(cells[untilColumn] ?? '') }]
  }
  return line
    .trim()
    .split(SEPARATOR)
    .map((text) => ({ text, until: null }))
}

/** A first line of words, none of them an address. */
function isHeader(line: string): boolean {
  return /[,;|]/.test(line) && cellsOf(line).every((cell) => /^[A-Za-z][\w .-]*$/.test(cell) && !parseSubject(cell).ok)
}

function cellsOf(line: string): string[] {
  const separator = [',', ';', '|'].find((mark) => line.includes(mark)) ?? ','
  return line.split(separator).map((cell) => cell.trim().replace(/^"(.*)"$/, '$1'))
}

/** Unix seconds, or a date as ISO 8601 has it; null if it is neither. */
function readTime(text: string): number | null {
  if (/^\d{1,11}$/.test(text)) return Number(text)
  const ms = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN
  return Number.isNaN(ms) ? null : Math.floor(ms / 1000)
}

/** Begin and ban time of fail2ban's line; for ever is as long as a claim may last. */
function endOf(fields: readonly number[]): number {
  const [year, month, day, hour, minute, second, banTime] = fields as [
    number,
    number,
    number,
    number,
    number,
    number,
    number
  ]
  const since = Math.floor(new Date(year, month - 1, day, hour, minute, second).getTime() / 1000)
  return banTime < 0 ? Number.MAX_SAFE_INTEGER : since + banTime
}
