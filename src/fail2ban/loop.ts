/** One piece of work, repeated: on a timer, at once when kicked, with back-off when it fails, never twice at a time. */
import { refuse, type Result } from '../core/result.ts'

/** Calls `run` once after `delayMs`, unless the returned function is called before. */
export type Schedule = (run: () => void, delayMs: number) => () => void

export interface Loop {
  start(): void
  /** Work now, or again if work is under way. While backing off it waits for the timer: fail2ban is not hammered. */
  kick(): void
  lastError(): string | null
  stop(): Promise<void>
}

export interface LoopOptions {
  /** Ends with the milliseconds until it should be called again. An exception counts as a failure. */
  readonly work: () => Promise<Result<number, string>>
  readonly schedule: Schedule
}

const BACKOFF_MS = { first: 500, max: 15_000 } as const

/** Milliseconds to wait after so many failures in a row. */
export function backoffMs(failures: number): number {
  return Math.min(BACKOFF_MS.first * 2 ** (failures - 1), BACKOFF_MS.max)
}

export function createLoop({ work, schedule }: LoopOptions): Loop {
  let state: 'stopped' | 'waiting' | 'working' = 'stopped'
  let kicked = false
  let failures = 0
  let lastError: string | null = null
  let cancel = () => {}
  let current: Promise<void> = Promise.resolve()

  async function workOnce(): Promise<void> {
    const result = await workSafely()
    if (state === 'stopped') return
    failures = result.ok ? 0 : failures + 1
    lastError = result.ok ? null : result.reason
    state = 'waiting'
    cancel = schedule(run, result.ok ? (kicked ? 0 : result.value) : backoffMs(failures))
  }

  /** A ledger that can't be read or written just now throws; the next round may find it well again. */
  async function workSafely(): Promise<Result<number, string>> {
    try {
      return await work()
    } catch {
      return refuse('internal-error')
    }
  }

  function run(): void {
    cancel()
    state = 'working'
    kicked = false
    current = workOnce()
  }

  return {
    start() {
      if (state === 'stopped') run()
    },
    kick() {
      if (state === 'working') kicked = true
      else if (state === 'waiting' && failures === 0) run()
    },
    lastError: () => lastError,
    async stop() {
      cancel()
      state = 'stopped'
      await current
    }
  }
}
