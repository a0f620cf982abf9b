/** A change to the config file, and the daemon told of it. Without a daemon it takes effect at its start. */
import type { Reloaded } from '../control/api.ts'
import type { Result } from '../core/result.ts'
import type { WriteRefusal } from '../daemon/config-file.ts'
import { ask, configPath, readConfig, type Context } from './context.ts'
import { failed, type Failed } from './outcome.ts'

export interface Saved {
  readonly ok: true
  /** Whether a daemon runs by the changed file. */
  readonly live: boolean
  readonly notes: readonly string[]
}

/** What `edit` refuses is explained by the caller. */
export async function changeConfig<Reason extends string>(
  context: Context,
  edit: (text: string) => Result<string, Reason>,
  explain: (reason: Reason) => Failed
): Promise<Saved | Failed> {
  const path = await configPath(context)
  if (!path.ok) return path
  const { editConfigFile, lockOf } = await import('../daemon/config-file.ts')
  const edited = await editConfigFile(path.value, edit)
  if (!edited.ok) return explainRefusal(context, path.value, lockOf(path.value), edited.reason, explain)
  const reloaded = await ask<Reloaded>(context, { method: 'POST', path: '/v1/reload' })
  if (reloaded.ok) {
    const { needsRestart } = reloaded.value
    const note = `banmesh: warning: changed as well, and waiting for a restart of the daemon: ${needsRestart.join(', ')}`
    return { ok: true, live: true, notes: needsRestart.length > 0 ? [note] : [] }
  }
  if (reloaded.reason === 'unreachable') return { ok: true, live: false, notes: [] }
  return {
    ...reloaded,
    messages: [`${path.value} is changed, but the daemon has not taken it over:`, ...reloaded.messages]
  }
}

async function explainRefusal<Reason extends string>(
  context: Context,
  path: string,
  lock: string,
  reason: Reason | WriteRefusal,
  explain: (reason: Reason) => Failed
): Promise<Failed> {
  switch (reason) {
    case 'would-not-parse': {
      const whole = await readConfig(context)
      return whole.ok ? failed(1, reason, `${path} was left alone: the change would have broken it`) : whole
    }
    case 'locked':
      return failed(1, reason, `another command is changing ${path}`, `if none is, remove ${lock}`)
    case 'unreadable':
      return failed(2, reason, `${path} can't be read`)
    case 'not-writable':
      return failed(1, reason, `${path} can't be replaced`, 'the command has to own the file, or be root')
    default: {
      // A config that is wrong is said first: what was looked for may stand where it can't be read.
      const whole = await readConfig(context)
      return whole.ok ? explain(reason) : whole
    }
  }
}

/** Said after what was changed. */
export function when({ live }: Saved): string {
  return live ? '' : '; it takes effect when the daemon starts'
}
