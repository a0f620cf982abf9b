/** From argv to exit code, by way of commander. The one place that writes to stdout and stderr. */
import type { Result } from '../core/result.ts'
import type { HookFate, HookFailure } from '../daemon/hook.ts'
import type { Failed, Outcome } from './outcome.ts'

/** `hook`: what has become of fail2ban's event, if that was the command; bin/banmesh.ts is ahead of us there. */
export async function main(
  argv: readonly string[],
  hook: Promise<Result<HookFate, HookFailure> | null>
): Promise<void> {
  const json = argv.includes('--json')
  process.stdout.on('error', outputFailed)
  // Nobody is left to be told.
  process.stderr.on('error', () => undefined)
  const outcome = await guarded(async () => {
    const fate = await hook
    return fate === null ? runCommand(argv, json) : (await import('./commands/hook.ts')).explainHook(fate)
  })
  if (outcome !== null) await print(outcome, json)
}

/** A reader such as `head` that has seen enough is no error; a full disk is, for what was exported is not whole. */
function outputFailed({ code = 'unknown error' }: NodeJS.ErrnoException): void {
  if (code === 'EPIPE') process.exit()
  process.stderr.write(`banmesh: error: the output can't be written (${code})\n`)
  process.exit(1)
}

/** An exception is a bug of ours; its stack helps nobody at a terminal. */
async function guarded<T>(work: () => Promise<T>): Promise<T | Failed> {
  try {
    return await work()
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    return { ok: false, exit: 1, reason: 'internal-error', messages: [`internal error: ${message}`] }
  }
}

async function runCommand(argv: readonly string[], json: boolean): Promise<Outcome | null> {
  await keepCompiledCode()
  const { stdout, stderr } = process
  const progress = json ? stderr : stdout
  const outside = {
    env: process.env,
    cwd: process.cwd(),
    now: Date.now,
    columns: stdout.isTTY ? stdout.columns : null,
    banmesh: [process.execPath, process.argv[1]!] as const,
    warn: (line: string) => void stderr.write(`${line}\n`),
    say: (line: string) => void progress.write(`${line}\n`),
    json,
    async line(text: string) {
      if (!stdout.write(`${text}\n`)) await new Promise((resolve) => stdout.once('drain', resolve))
    }
  }
  const { runProgram } = await import('./program.ts')
  return runProgram(argv, outside, stdout, stderr)
}

/**
 * V8's compiled code is kept from one command to the next, which saves about a third of the time. Not where Node would
 * put it, below /tmp, for there others could have put theirs first.
 */
async function keepCompiledCode(): Promise<void> {
  const [{ enableCompileCache }, { userInfo }, { join }] = await Promise.all([
    import('node:module'),
    import('node:os'),
    import('node:path')
  ])
  try {
    enableCompileCache(join(process.env['CACHE_DIRECTORY'] ?? join(userInfo().homedir, '.cache'), 'banmesh'))
  } catch {
    // A user without a name has no home either.
  }
}

async function print(outcome: Outcome, json: boolean): Promise<void> {
  if (outcome.ok) {
    for (const note of outcome.notes ?? []) process.stderr.write(`${note}\n`)
    const text = json ? JSON.stringify(outcome.json) : outcome.text
    if (text !== '') process.stdout.write(`${text}\n`)
    process.exitCode = outcome.exit ?? 0
    return
  }
  if (json) process.stdout.write(`${JSON.stringify(errorDocument(outcome))}\n`)
  const [{ styleText }, { printable }] = await Promise.all([import('node:util'), import('./text.ts')])
  const stream = process.stderr
  const say = (colour: 'red' | 'cyan', word: string, text: string): void => {
    stream.write(`banmesh: ${styleText(colour, `${word}:`, { stream })} ${printable(text)}\n`)
  }
  for (const message of outcome.messages) say('red', 'error', message)
  if (outcome.hint !== undefined) say('cyan', 'hint', outcome.hint)
  process.exitCode = outcome.exit
}

/** In the shape of the control API's errors. */
function errorDocument({ reason, messages, hint }: Failed): unknown {
  return { error: { reason, message: messages.join('\n'), ...(hint === undefined ? {} : { hint }) } }
}
