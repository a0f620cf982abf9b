/**
 * fail2ban's line about one ban, as `get JAIL banip --with-time` lists it:
 *
 *     203.0.113.7 \t2026-11-20 18:00:00 + 600 = 2026-11-20 18:10:00
 *
 * Its times are in fail2ban's local time zone, and read in ours.
 */
import { parseCidr, type Cidr } from '../core/cidr.ts'

export interface BanTimes {
  /** Unix seconds at which fail2ban banned. */
  readonly since: number
  /** Unix seconds at which the ban ends; Infinity for never. */
  readonly until: number
}

const TIME = String.raw`(\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)`
const BANNED = new RegExp(String.raw`^(.+) \t${TIME} \+ (-?\d{1,12}) = ${TIME}$`)

/** Null if a line is not understood: then nothing is known. */
export function parseBans(lines: readonly string[]): ReadonlyMap<Cidr, BanTimes> | null {
  const banned = new Map<Cidr, BanTimes>()
  for (const line of lines) {
    const fields = BANNED.exec(line)
    if (fields === null) return null
    const since = localTime(fields.slice(2, 8))
    const banTime = Number(fields[8])
    // The end is computed and not read: a change to or from summer time may lie before it, or the year 9999.
    const until = banTime === -1 ? Number.POSITIVE_INFINITY : since + banTime
    // Somebody may have banned a word by hand: it is not ours, and no reason to distrust the rest.
    const subject = parseCidr(fields[1]!)
    if (subject !== null) banned.set(subject, { since, until })
  }
  return banned
}

/** Unix seconds of year, month, day, hour, minute, second. */
function localTime(fields: readonly string[]): number {
  const [year, month, day, hour, minute, second] = fields.map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number
  ]
  return new Date(year, month - 1, day, hour, minute, second).getTime() / 1000
}
