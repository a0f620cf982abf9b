/**
 * The processes of a lab: every one is known by its PID and leads a process group of its own, so that the end of the
 * lab ends exactly what the lab began. Should the test itself be killed, the kernel ends them (`--pdeathsig`).
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { until } from './until.ts'

const DIES_WITH_US = ['setpriv', '--pdeathsig', 'KILL']
/** Milliseconds that a command may take before it is ended. */
const COMMAND_TIMEOUT_MS = 20_000
/** Milliseconds that a server has between SIGTERM and SIGKILL. */
const STOP_TIMEOUT_MS = 10_000

export interface Output {
  /** The exit status; null if a signal ended it. */
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface LabProcess {
  readonly pid: number
  /** SIGTERM; resolves with the exit status, null if it had to be killed. */
  stop(): Promise<number | null>
  /** SIGKILL to its group: a crash. */
  kill(): Promise<void>
}

interface StartOptions {
  readonly env?: NodeJS.ProcessEnv
  /** The file that stdout and stderr are appended to. */
  readonly log: string
  /** Gets the lines of stderr instead of the log. */
  readonly onStderrLine?: (line: string) => void
}

export interface Processes {
  start(argv: readonly string[], options: StartOptions): LabProcess
  /** Ends all of them; nothing can be started any more. */
  end(): Promise<void>
}

export function createProcesses(): Processes {
  const started: LabProcess[] = []
  let over = false
  return {
    start(argv, options) {
      if (over) throw new Error('the lab is over')
      const labProcess = start(argv, options)
      started.push(labProcess)
      return labProcess
    },
    async end() {
      over = true
      await Promise.all(started.map((labProcess) => labProcess.kill()))
    }
  }
}

/** Runs a command to its end; an exit status is a value here, only a command that cannot be started throws. */
export async function run(
  argv: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
  timeoutMs = COMMAND_TIMEOUT_MS
): Promise<Output> {
  const [command, ...args] = argv
  const child = spawn(command!, args, { env, stdio: ['ignore', 'pipe', 'pipe'], timeout: timeoutMs })
  const output = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output.stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text))
  const [status] = (await once(child, 'close')) as [number | null]
  return { status, ...output }
}

/** Runs a command that has to succeed and returns its stdout. */
export async function runOk(argv: readonly string[], env?: NodeJS.ProcessEnv, timeoutMs?: number): Promise<string> {
  const { status, stdout, stderr } = await run(argv, env, timeoutMs)
  if (status !== 0) throw new Error(`${argv.join(' ')}: exit status ${status}\n${stdout}${stderr}`)
  return stdout
}

function start(argv: readonly string[], { env, log, onStderrLine }: StartOptions): LabProcess {
  const file = openSync(log, 'a')
  const [command, ...args] = [...DIES_WITH_US, ...argv]
  const child = spawn(command!, args, {
    env: env ?? process.env,
    detached: true,
    stdio: ['ignore', file, onStderrLine ? 'pipe' : file]
  })
  closeSync(file)
  if (child.pid === undefined) throw new Error(`cannot start ${argv.join(' ')}`)
  if (onStderrLine) createInterface({ input: child.stderr! }).on('line', onStderrLine)
  const { pid } = child
  const kill = async (): Promise<void> => {
    signalGroup(pid, 'SIGKILL')
    await until(() => ended(child), `the end of ${argv.join(' ')}`)
  }
  return {
    pid,
    kill,
    async stop() {
      child.kill('SIGTERM')
      await until(() => ended(child), `the end of ${argv.join(' ')} after SIGTERM`, STOP_TIMEOUT_MS)
      return child.exitCode
    }
  }
}

function ended(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null
}

/** The group outlives its leader while it has members; once it is empty there is nothing left to end. */
function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
