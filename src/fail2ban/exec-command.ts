/**
 * The operator's own command: an argv with placeholders, which are filled with nothing but canonical addresses, jail
 * names, numbers and two words. It is run as it is, never by a shell.
 */
import { spawn } from 'node:child_process'
import { ONE } from '../core/report.ts'
import { ok, refuse, type Result } from '../core/result.ts'
import type { OutboxEntry } from './outbox.ts'

export const EXEC_LIMITS = {
  /** Words of the command. */
  words: 64,
  /** Characters of one word. */
  wordLength: 4096
} as const

const PLACEHOLDERS = ['ip', 'jail', 'until', 'score', 'action'] as const
type Placeholder = (typeof PLACEHOLDERS)[number]

export type CommandRefusal =
  | 'empty'
  | 'too-long'
  /** The program itself is never made of what a peer says. */
  | 'placeholder-in-program'
  | 'unknown-placeholder'

export type ExecRefusal =
  /** There is no such program, or it may not be run. */
  | 'no-program'
  | 'timeout'
  /** It ended with another status than 0. */
  | 'failed'

/** Looks at the words as the config has them. `{word}` is a placeholder wherever it stands; other braces are text. */
export function checkCommand(words: readonly string[]): Result<readonly [string, ...string[]], CommandRefusal> {
  const [program, ...args] = words
  if (program === undefined || program === '') return refuse('empty')
  if (words.length > EXEC_LIMITS.words || words.some((word) => word.length > EXEC_LIMITS.wordLength)) {
    return refuse('too-long')
  }
  if (/\{[a-z]+\}/.test(program)) return refuse('placeholder-in-program')
  const named = words.flatMap((word) => [...word.matchAll(/\{([a-z]+)\}/g)].map(([, name]) => name))
  if (named.some((name) => !PLACEHOLDERS.some((known) => known === name))) return refuse('unknown-placeholder')
  return ok([program, ...args])
}

/** The argv for one change. */
export function fillCommand(words: readonly string[], entry: OutboxEntry): string[] {
  const values: Record<Placeholder, string> = {
    ip: entry.subject,
    jail: entry.jail,
    until: String(entry.until),
    score: String(Math.floor((entry.score * 100) / ONE)),
    action: entry.action
  }
  return words.map((word) => word.replaceAll(/\{([a-z]+)\}/g, (text, name) => values[name as Placeholder] ?? text))
}

/**
 * Runs it and waits for its end. After `timeoutMs`, or when `signal` says so, it is killed with all that it has started.
 * What it prints is not read.
 */
export function runCommand(
  argv: readonly string[],
  { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal: AbortSignal }
): Promise<Result<void, ExecRefusal>> {
  return new Promise((resolve) => {
    const [program = '', ...args] = argv
    let reason: ExecRefusal = 'failed'
    // A process group of its own, so that nothing of it is left.
    const child = spawn(program, args, { stdio: 'ignore', detached: true })
    const kill = (): void => {
      if (child.pid === undefined) return
      try {
        process.kill(-child.pid, 'SIGKILL')
      } catch {
        // It has just ended.
      }
    }
    const timer = setTimeout(() => {
      reason = 'timeout'
      kill()
    }, timeoutMs)
    signal.addEventListener('abort', kill)
    if (signal.aborted) kill()
    const settle = (result: Result<void, ExecRefusal>): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', kill)
      resolve(result)
    }
    child.on('error', () => settle(refuse('no-program')))
    child.on('exit', (code) => settle(code === 0 ? ok(undefined) : refuse(reason)))
  })
}
