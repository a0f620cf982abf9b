/** The command line of `banmesh hook EVENT --jail NAME ...`, as the shipped action of fail2ban writes it. */
import { refuse, type Result } from '../core/result.ts'
import { checkHookEvent, type HookEvent, type HookRefusal } from './hook-event.ts'

/** Bytes of fail2ban's longest command are well below; anything else is not from it. */
export const HOOK_ARGS_LIMITS = { arguments: 16, argumentLength: 128 } as const

/** `family` says nothing that banmesh needs: it is in the command for fail2ban's sake (files/action.d/banmesh.conf). */
const OPTIONS = new Set(['--jail', '--ip', '--time', '--bantime', '--failures', '--family'])

/** `argv` is what follows the word `hook`. Every option takes a value, in a word of its own, and comes at most once. */
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

/** NaN where the text is not of the form: `checkHookEvent` refuses it and says which field it was. */
function decimal(text: string, form: RegExp): number {
  return form.test(text) ? Number(text) : Number.NaN
}
