/** What commands need of the outside: where the config is, how to reach the daemon, the clock, the terminal. */
import type { ApiError } from '../control/api.ts'
import { createControlClient, type ControlAnswer, type ControlRequest } from '../control/client.ts'
import type { Config, ConfigProblem } from '../daemon/config.ts'
import { failed, type Failed } from './outcome.ts'

/** For one answer of the daemon, which may have a large ledger to look through. */
const ANSWER_TIMEOUT_MS = 30_000

export interface Context {
  /** What `--config` named. */
  readonly configOption: string | undefined
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  /** Unix ms. */
  readonly now: () => number
  /** Characters in a line of the terminal; null if stdout is none. */
  readonly columns: number | null
  /** How this command was started: the program and its first arguments. */
  readonly banmesh: readonly [string, ...string[]]
  /** A line on stderr, at once. */
  readonly warn: (line: string) => void
  /** A line of what goes on, at once: on stdout unless that is for JSON. */
  readonly say: (line: string) => void
  /** Whether stdout is for JSON. */
  readonly json: boolean
  /** A line on stdout; resolves when there is room for the next. */
  readonly line: (text: string) => Promise<void>
}

export type Reply<T> = { readonly ok: true; readonly value: T } | Failed

const NO_CONFIG = failed(
  2,
  'no-config',
  'there is no banmesh.yaml here, and no /etc/banmesh/banmesh.yaml',
  'make one with banmesh init, or name one with --config FILE'
)

export async function configPath(context: Context): Promise<Reply<string>> {
  const { findConfig } = await import('../daemon/config-paths.ts')
  const found = findConfig({ option: context.configOption, env: context.env, cwd: context.cwd })
  return found.ok ? found : NO_CONFIG
}

/** The whole config; its warnings come ready to be printed. */
export async function readConfig(context: Context): Promise<Reply<{ path: string; config: Config; notes: string[] }>> {
  const path = await configPath(context)
  if (!path.ok) return path
  const { loadConfig } = await import('../daemon/config.ts')
  const loaded = loadConfig(path.value)
  if (!loaded.ok) return configFailure(path.value, loaded.errors)
  const notes = await configWarnings(path.value, loaded.warnings)
  return { ok: true, value: { path: path.value, config: loaded.config, notes } }
}

export async function configFailure(path: string, errors: readonly ConfigProblem[]): Promise<Failed> {
  const { formatProblem } = await import('../daemon/config.ts')
  const messages = errors.map((problem) => formatProblem(path, problem))
  return failed(2, 'bad-config', messages)
}

export async function configWarnings(path: string, warnings: readonly ConfigProblem[]): Promise<string[]> {
  const { formatProblem } = await import('../daemon/config.ts')
  return warnings.map((problem) => `banmesh: warning: ${formatProblem(path, problem)}`)
}

/** The daemon's socket. */
export async function controlPath(context: Context): Promise<Reply<string>> {
  const path = await configPath(context)
  if (!path.ok) return path
  const { readConfigPaths } = await import('../daemon/config-paths.ts')
  const paths = await readConfigPaths(path.value)
  if (paths.ok) return { ok: true, value: paths.value.control }
  const whole = await readConfig(context)
  return whole.ok ? failed(2, 'bad-config', `${path.value} can't be read`) : whole
}

/** Asks the daemon whose config this is. */
export async function ask<T>(context: Context, request: ControlRequest): Promise<Reply<T>> {
  const control = await controlPath(context)
  if (!control.ok) return control
  const socketPath = control.value
  const answer = await createControlClient({ socketPath, timeoutMs: ANSWER_TIMEOUT_MS })(request)
  return answer.ok ? { ok: true, value: answer.body as T } : explain(context, answer, socketPath)
}

export function subjectPath(folder: 'bans' | 'vetoes' | 'why' | 'check', subject: string): string {
  return `/v1/${folder}/${encodeURIComponent(subject)}`
}

export async function explain(
  context: Context,
  answer: Exclude<ControlAnswer, { ok: true }>,
  socketPath: string
): Promise<Failed> {
  switch (answer.reason) {
    case 'refused':
      return refusal(answer.status, answer.error)
    case 'unreachable': {
      // A config that is wrong may have meant another socket, and no daemon starts with it.
      const whole = await readConfig(context)
      return whole.ok ? unreachable(answer.code, socketPath) : whole
    }
    case 'timeout':
      return failed(3, 'timeout', `the daemon did not answer within ${ANSWER_TIMEOUT_MS / 1000} s on ${socketPath}`)
    case 'not-understood':
      return failed(1, 'not-understood', `what answers on ${socketPath} is not a banmesh daemon of this version`)
  }
}

function refusal(status: number, { reason, message, hint }: ApiError['error']): Failed {
  return failed(status === 403 ? 4 : status === 400 ? 2 : 1, reason, message.split('\n'), hint)
}

function unreachable(code: string, socketPath: string): Failed {
  if (code === 'EACCES' || code === 'EPERM') {
    const hint = 'the socket is for its owner and its group: be root, or a member of that group'
    return failed(3, 'not-allowed', `no permission for the daemon's socket ${socketPath}`, hint)
  }
  const hint = 'start it: banmesh run, or systemctl start banmesh'
  return failed(3, 'unreachable', `the daemon does not answer on ${socketPath} (${code})`, hint)
}
