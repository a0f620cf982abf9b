/** What time does by itself: verdicts end, reports expire, host names move, spooled events are taken up. */
import type { Subject } from '../core/subject.ts'
import type { Ledger } from '../store/ledger.ts'
import type { Verdicts } from '../store/verdicts.ts'
import type { HookIntake } from './hook-intake.ts'
import type { Ingest } from './ingest.ts'
import type { Protections } from './protections.ts'
import type { Reviewing } from './reviewing.ts'

export interface UpkeepOptions {
  readonly ledger: Ledger
  readonly verdicts: Verdicts
  readonly ingest: Ingest
  readonly protections: Protections
  readonly reviewing: Reviewing
  readonly intake: HookIntake
  /** Renews, lifts and merges our own claims. */
  ownUpkeep(): Promise<void>
  /** Seconds between two look-ups of the allowlist's host names. */
  allowlistRefreshSeconds(): number
  /** Unix ms. */
  now(): number
  report(message: string, detail: Record<string, unknown>): void
}

export interface Upkeep {
  start(): void
  stop(): void
}

/** Wall-clock time is looked at each second, so that a clock that jumps is noticed within one. */
const TICK_MS = 1000
/** Subjects judged, or reports removed, in one turn of the event loop. */
const PAGE = 500
/** Ticks between two looks at what we said ourselves. */
const OWN_TICKS = 15
/** Ticks between two collections of unused names, and how many names are left alone. */
const NAMES_TICKS = 3600
const NAMES = 20_000

export function createUpkeep(options: UpkeepOptions): Upkeep {
  const { ledger, verdicts, ingest, protections, reviewing, intake, now } = options
  let timer: NodeJS.Timeout | undefined
  let stopped = false
  let ticks = 0

  async function tick(): Promise<void> {
    await intake.catchUp()
    if (ticks % OWN_TICKS === 0) await options.ownUpkeep()
    for (let due = dueNow(); due.length > 0 && !stopped; due = dueNow()) {
      if (!(await ingest.review(due)) || due.length < PAGE) break
    }
    while (!stopped && ledger.expire(Math.floor(now() / 1000), PAGE) === PAGE) await turn()
    if (ticks % NAMES_TICKS === 0 || ledger.names.hasManyNew(NAMES)) ledger.names.collect(NAMES)
    ticks++
    const resolve = ticks % options.allowlistRefreshSeconds() === 0
    await reviewing.touched(resolve ? await protections.resolve() : protections.refresh())
  }

  function dueNow(): Subject[] {
    return verdicts.due(Math.floor(now() / 1000), PAGE)
  }

  async function run(): Promise<void> {
    try {
      await tick()
    } catch (error) {
      options.report('upkeep failed', { error })
    }
    if (!stopped) timer = setTimeout(() => void run(), TICK_MS)
  }

  return {
    start() {
      intake.watch()
      void run()
      // What changed while we were down: the config, the clock.
      void reviewing.everythingAtLeisure()
    },
    stop() {
      stopped = true
      intake.stop()
      reviewing.stop()
      clearTimeout(timer)
    }
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
