/** Other programs, asked without a shell. */
import { execFile } from 'node:child_process'

/** For one answer. */
const TIMEOUT_MS = 15_000
/** Bytes of an answer: a firewall with some 500,000 addresses. */
const OUTPUT_BYTES = 128 * 1024 * 1024

export interface Output {
  /** Null: there is no such program, or it did not end by itself. */
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export function runCommand(program: string, args: readonly string[]): Promise<Output> {
  const { promise, resolve } = Promise.withResolvers<Output>()
  const limits = { encoding: 'utf8', timeout: TIMEOUT_MS, maxBuffer: OUTPUT_BYTES, killSignal: 'SIGKILL' } as const
  execFile(program, args, limits, (error, stdout, stderr) => {
    const code = error === null ? 0 : typeof error.code === 'number' ? error.code : null
    resolve({ code, stdout, stderr })
  })
  return promise
}
