/**
 * What fail2ban's action saw, as `banmesh hook` carries it to the daemon. Checked by hand and with hardly an import, for
 * fail2ban waits for the process that runs this: an address is looked at, not yet brought into canonical form.
 */
import { JAIL_NAME } from '../core/limits.ts'
import { ok, refuse, type Result } from '../core/result.ts'

const HOOK_EVENTS = ['ban', 'unban', 'prolong', 'flush', 'start', 'stop'] as const

type HookEventName = (typeof HOOK_EVENTS)[number]

export interface HookEvent {
  readonly event: HookEventName
  readonly jail: string
  /** There for ban, unban and prolong. An address or CIDR, not yet canonical. */
  readonly ip?: string
  /** There where `ip` is: Unix seconds at which fail2ban banned. */
  readonly time?: number
  /** There where `ip` is: seconds; -1 is for ever. */
  readonly banTime?: number
  readonly failures?: number
}

export type HookRefusal =
  | 'bad-event'
  | 'bad-jail'
  /** Some jails ban user names or sessions: nothing that concerns banmesh, and no error. */
  | 'not-an-address'
  | 'bad-time'
  | 'bad-ban-time'
  | 'bad-failures'
  | 'bad-option'

/** Seconds until the year 5138: what a time of fail2ban may be at most, and a ban time. */
const MAX_SECONDS = 100_000_000_000

/** Reads an event from the control socket or the spool. Unknown keys, and keys that its kind does not have, are refused. */
export function checkHookEvent(value: unknown): Result<HookEvent, HookRefusal> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return refuse('bad-event')
  const { event, jail, ip, time, banTime, failures, ...rest } = value as Record<string, unknown>
  if (Object.keys(rest).length > 0) return refuse('bad-option')
  const kind = HOOK_EVENTS.find((name) => name === event)
  if (kind === undefined) return refuse('bad-event')
  if (typeof jail !== 'string' || !JAIL_NAME.test(jail)) return refuse('bad-jail')
  if (kind === 'flush' || kind === 'start' || kind === 'stop') {
    return [ip, time, banTime, failures].every((field) => field === undefined)
      ? ok({ event: kind, jail })
      : refuse('bad-option')
  }
  if (typeof ip !== 'string' || !looksLikeAddress(ip)) return refuse('not-an-address')
  if (!isCount(time, MAX_SECONDS)) return refuse('bad-time')
  if (banTime !== -1 && !isCount(banTime, MAX_SECONDS)) return refuse('bad-ban-time')
  if (failures === undefined) return ok({ event: kind, jail, ip, time, banTime })
  return isCount(failures, MAX_SECONDS)
    ? ok({ event: kind, jail, ip, time, banTime, failures })
    : refuse('bad-failures')
}

function isCount(value: unknown, max: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= max
}

/** Enough to tell addresses from words; core/subject.ts decides later. Loading node:net for it would cost 3 ms a ban. */
const IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!$|\/)|(?=$|\/))){4}(?:\/(?:3[0-2]|[12]?\d))?$/
const IPV6 = /^(?=.*:.*:)[0-9A-Fa-f:.]{2,45}(?:\/(?:12[0-8]|1[01]\d|[1-9]?\d))?$/

function looksLikeAddress(text: string): boolean {
  return IPV4.test(text) || IPV6.test(text)
}
