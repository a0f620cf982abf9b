/** Reading the config again while running: what can change does at once, the rest is named; a bad file changes nothing. */
import { isDeepStrictEqual } from 'node:util'
import type { Reloaded } from '../control/api.ts'
import type { Answer } from '../control/server.ts'
import type { PeerId } from '../core/report.ts'
import { formatProblem, loadConfig, type Config } from './config.ts'
import { FIXED, FIXED_LIMITS } from './needs-restart.ts'

export interface ConfigSource {
  readonly file: string
}

export interface ReloadOptions {
  readonly source: ConfigSource
  readonly self: PeerId
  current(): Config
  /** The file is in use, and nothing is wrong with it: what was said of one before it is over. */
  applied(): void
  apply(next: Config): Promise<void>
  warn(message: string): void
}

export function createReload({ source, self, current, apply, applied, warn }: ReloadOptions) {
  let last: Promise<unknown> = Promise.resolve()

  async function reload(): Promise<Answer<Reloaded>> {
    const { file } = source
    const loaded = loadConfig(file, self)
    if (!loaded.ok) {
      const message = loaded.errors.map((problem) => formatProblem(file, problem)).join('\n')
      warn(`the config was not reloaded, the old one stays: ${message}`)
      return { ok: false, status: 400, reason: 'bad-config', message }
    }
    for (const problem of loaded.warnings) warn(formatProblem(file, problem))
    const before = current()
    const next = loaded.config
    const needsRestart = [
      ...FIXED.filter((key) => !isDeepStrictEqual(before[key], next[key])),
      ...FIXED_LIMITS.filter((name) => before.limits[name] !== next.limits[name]).map((name) => `limits.${name}`)
    ]
    const kept = Object.fromEntries(FIXED.map((key) => [key, before[key]])) as Pick<Config, (typeof FIXED)[number]>
    try {
      await apply({ ...next, ...kept })
    } catch {
      const message = "the new config could not be applied in full: the ledger can't be written"
      warn(message)
      return { ok: false, status: 500, reason: 'internal-error', message }
    }
    if (loaded.warnings.length === 0) applied()
    return { ok: true, value: { needsRestart } }
  }

  return {
    /** One after the other: an older config must not be applied while a newer one is. */
    run(): Promise<Answer<Reloaded>> {
      const mine = last.then(reload, reload)
      last = mine
      return mine
    }
  }
}
