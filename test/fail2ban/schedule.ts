/** Schedules for the loops: real time, and one whose time passes when the test says so. */
import type { Schedule } from '../../src/fail2ban/loop.ts'
import { until } from '../support/until.ts'

/** Real time. */
export const realTime: Schedule = (run, delayMs) => {
  const timeout = setTimeout(run, delayMs)
  return () => clearTimeout(timeout)
}

export interface ManualSchedule {
  readonly schedule: Schedule
  /** Timers that are neither run nor cancelled. */
  open(): number
  /** Waits until a timer is set; its delay in ms. */
  peek(): Promise<number>
  /** The same, and runs it. */
  next(): Promise<number>
}

export function manualSchedule(): ManualSchedule {
  const timers: { readonly run: () => void; readonly delayMs: number }[] = []
  const first = () => until(() => timers[0], 'a timer', 30_000)
  return {
    schedule(run, delayMs) {
      const timer = { run, delayMs }
      timers.push(timer)
      return () => {
        const index = timers.indexOf(timer)
        if (index >= 0) timers.splice(index, 1)
      }
    },
    open: () => timers.length,
    peek: async () => (await first()).delayMs,
    async next() {
      const { delayMs, run } = await first()
      timers.shift()
      run()
      return delayMs
    }
  }
}
