/**
 * What fail2ban's action saw, as `banmesh hook` carries it to the daemon: on the command line, then as JSON. Checked by hand
 * and with hardly an import, for fail2ban waits for the process that runs this: an address is looked at, not yet brought
 * into canonical form.
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
  | 'no-address'
  /** Some jails ban user names or sessions: nothing that concerns banmesh, and no error. */
  | 'not-an-address'
  | 'bad-time'
  | 'bad-ban-time'
  | 'bad-failures'
  | 'bad-option'

/** Seconds until the year 5138: what a time of fail2ban may be at most, and a ban time. */
const MAX_SECONDS = 100_000_000_000

/** Bytes of fail2ban's longest command are well below; anything else is not from it. */
export const HOOK_ARGS_LIMITS = { arguments: 16, argumentLength: 128 } as const

/** `family` says nothing that banmesh needs: it is in the command for fail2ban's sake (files/action.d/banmesh.conf). */
const OPTIONS = new Set(['--jail', '--ip', '--time', '--bantime', '--failures', '--family'])

/**
 * Reads the command line as the shipped action writes it: `argv` is what follows the word `hook`. Every option takes a
 * value, in a word of its own, and comes at most once.
 */
export function parseHookArgs(argv: readonly string[]): Result<HookEvent, HookRefusal> {
  if (argv.length > HOOK_ARGS_LIMITS.arguments) return refuse('bad-option')
  if (argv.some((word) => word.length > HOOK_ARGS_LIMITS.argumentLength)) return refuse('bad-option')
  const [event, ...words] = argv
  const options = new Map<string, string>()
  for (let i = 0; i < words.length; i += 2) {
    const [name, value] = [words[i]!, words[i + 1]]
    if (value === undefined || !OPTIONS.has(name) || options.has(name)) return refuse('bad-option')
    options.set(name, value)
  }
  const time = options.get('--time')
  const banTime = options.get('--bantime')
  const failures = options.get('--failures')
  return checkHookEvent({
    event,
    jail: options.get('--jail'),
    ip: options.get('--ip'),
    // fail2ban's own times have a fraction, those of a log line or of its database mostly have none.
    ...(time !== undefined && { time: Math.floor(decimal(time, /^\d{1,12}(\.\d{1,9})?$/)) }),
    ...(banTime !== undefined && { banTime: decimal(banTime, /^(-1|\d{1,12})$/) }),
    ...(failures !== undefined && { failures: decimal(failures, /^\d{1,12}$/) })
  })
}

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
  if (typeof ip !== 'string') return refuse('no-address')
  if (!looksLikeAddress(ip)) return refuse('not-an-address')
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

/** NaN where the text is not of the form: `checkHookEvent` refuses it and says which field it was. */
function decimal(text: string, form: RegExp): number {
  return form.test(text) ? Number(text) : Number.NaN
}
