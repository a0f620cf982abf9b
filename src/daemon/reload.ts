/** Reading the config again while running: what can change does at once, the rest is named; a bad file changes nothing. */
import { isDeepStrictEqual } from 'node:util'
import type { Reloaded } from '../control/api.ts'
import type { Answer } from '../control/server.ts'
import type { PeerId } from '../core/report.ts'
import { formatProblem, loadConfig, type Config } from './config.ts'

export interface ConfigSource {
  readonly file: string
}

export interface ReloadOptions {
  readonly source: ConfigSource
  readonly self: PeerId
  current(): Config
  apply(next: Config): Promise<void>
  warn(message: string): void
}

/** Bound at the start: sockets, files and names that others know us by. */
const FIXED = ['network', 'dataDir', 'listen', 'announce', 'control', 'discovery', 'handoff', 'web'] as const

export function createReload({ source, self, current, apply, warn }: ReloadOptions) {
  return {
    async run(): Promise<Answer<Reloaded>> {
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
      const needsRestart = FIXED.filter((key) => !isDeepStrictEqual(before[key], next[key]))
      const kept = Object.fromEntries(FIXED.map((key) => [key, before[key]])) as Pick<Config, (typeof FIXED)[number]>
      await apply({ ...next, ...kept })
      return { ok: true, value: { needsRestart } }
    }
  }
}
