/**
 * `banmesh hook`, which fail2ban starts for every ban and waits for. The event goes to disk, into the spool that the
 * daemon watches: so it is safe once the hook has returned, whether the daemon runs or not, nothing is ever waited for,
 * and the process costs little more than starting Node does. Talking to the socket instead would cost half as much again,
 * for node:net alone takes 3 ms; it is the way out if the spool can't be written.
 *
 * A module costs half a millisecond: so bin/ comes here at once, and there are few; config-paths.ts says how it gets by
 * without a YAML parser.
 */
import { join } from 'node:path'
import { ok, refuse, type Result } from '../core/result.ts'
import { parseHookArgs, type HookEvent, type HookRefusal } from '../fail2ban/hook-event.ts'
import { appendToSpool, type SpoolRefusal } from '../fail2ban/spool.ts'
import { findConfig, readConfigPaths, type ConfigSearch } from './config-paths.ts'

/** fail2ban's other actions of the jail wait as long as this one. */
const DAEMON_TIMEOUT_MS = 1000

export interface HookOptions {
  /** Where to look for the config if the command line does not name one. */
  readonly search: Omit<ConfigSearch, 'option'>
  /** Unix ms. */
  readonly now: number
  readonly pid: number
}

export type HookFate =
  | 'spooled'
  | 'sent'
  /** fail2ban has banned something that is no address. */
  | 'ignored'

export type HookFailure = HookRefusal | SpoolRefusal | 'no-config' | 'unreadable-config'

/** `argv` is the whole command line. Null if `hook` is not its command. */
export async function runHook(
  argv: readonly string[],
  { search, now, pid }: HookOptions
): Promise<Result<HookFate, HookFailure> | null> {
  const { config: option, words } = withoutGlobals(argv)
  if (words[0] !== 'hook') return null
  const event = parseHookArgs(words.slice(1))
  if (!event.ok) return event.reason === 'not-an-address' ? ok('ignored') : event
  const config = findConfig({ ...search, option })
  if (!config.ok) return config
  const paths = await readConfigPaths(config.value)
  if (!paths.ok) return refuse('unreadable-config')
  const spooled = appendToSpool(join(paths.value.dataDir, 'spool'), event.value, now, pid)
  if (spooled.ok) return ok('spooled')
  return (await send(paths.value.control, event.value)) ? ok('sent') : spooled
}

/** The options that every command has. */
function withoutGlobals(argv: readonly string[]): { config: string | undefined; words: string[] } {
  const words: string[] = []
  let config: string | undefined
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i]!
    if (word === '--json') continue
    if (word === '--config') config = argv[++i]
    else if (word.startsWith('--config=')) config = word.slice('--config='.length)
    else words.push(word)
  }
  return { config, words }
}

async function send(socketPath: string, event: HookEvent): Promise<boolean> {
  const { createControlClient } = await import('../control/client.ts')
  const ask = createControlClient({ socketPath, timeoutMs: DAEMON_TIMEOUT_MS })
  return (await ask({ method: 'POST', path: '/v1/hook', body: event })).ok
}
