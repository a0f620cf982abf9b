/**
 * `banmesh hook`, which fail2ban starts for every ban and waits for: the event goes to the daemon, or, if that is down or
 * slow, into the spool. All that is imported here is small; see config-paths.ts for how it gets by without a YAML parser.
 */
import { join } from 'node:path'
import { createControlClient } from '../control/client.ts'
import { ok, refuse, type Result } from '../core/result.ts'
import { parseHookArgs } from '../fail2ban/hook-args.ts'
import type { HookRefusal } from '../fail2ban/hook-event.ts'
import type { SpoolRefusal } from '../fail2ban/spool.ts'
import { findConfig, readConfigPaths, type ConfigSearch } from './config-paths.ts'

/** fail2ban's other actions of the jail wait as long as this one. */
const DAEMON_TIMEOUT_MS = 1000

export interface HookOptions {
  readonly search: ConfigSearch
  /** Unix ms. */
  readonly now: number
  readonly pid: number
}

export type HookFate =
  | 'sent'
  | 'spooled'
  /** fail2ban has banned something that is no address. */
  | 'ignored'

export type HookFailure = HookRefusal | SpoolRefusal | 'no-config' | 'unreadable-config' | 'refused-by-daemon'

/** `argv` is what follows the word `hook`. */
export async function deliverHook(
  argv: readonly string[],
  options: HookOptions
): Promise<Result<HookFate, HookFailure>> {
  const event = parseHookArgs(argv)
  if (!event.ok) return event.reason === 'not-an-address' ? ok('ignored') : event
  const config = findConfig(options.search)
  if (!config.ok) return config
  const paths = await readConfigPaths(config.value)
  if (!paths.ok) return refuse('unreadable-config')
  const { control, dataDir } = paths.value
  const ask = createControlClient({ socketPath: control, timeoutMs: DAEMON_TIMEOUT_MS })
  const answer = await ask({ method: 'POST', path: '/v1/hook', body: event.value })
  if (answer.ok) return ok('sent')
  if (answer.reason === 'refused' && answer.status < 500) return refuse('refused-by-daemon')
  const { appendToSpool } = await import('../fail2ban/spool.ts')
  const spooled = appendToSpool(join(dataDir, 'spool'), event.value, options.now, options.pid)
  return spooled.ok ? ok('spooled') : spooled
}
