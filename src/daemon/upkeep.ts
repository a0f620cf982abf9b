/** What time does by itself: verdicts end, reports expire, host names move, spooled events are taken up. */
import type { Subject } from '../core/subject.ts'
import type { Ledger } from '../store/ledger.ts'
import type { Verdicts } from '../store/verdicts.ts'
import type { HookIntake } from './hook-intake.ts'
import type { Ingest } from './ingest.ts'
import type { Protections } from './protections.ts'

export interface UpkeepOptions {
  readonly ledger: Ledger
  readonly verdicts: Verdicts
  readonly ingest: Ingest
  readonly protections: Protections
  readonly intake: HookIntake
  /** Renews, lifts and merges our own claims. */
  ownUpkeep(): Promise<void>
  /** Unix ms. */
  now(): number
  report(message: string, detail: Record<string, unknown>): void
}

export interface Upkeep {
  start(): void
  stop(): void
  /** Judges everything anew, a page at a time: after a change of policy, friends or protection. */
  reviewAll(): Promise<void>
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
/** Ticks between two look-ups of the allowlist's host names. */
const RESOLVE_TICKS = 300

export function createUpkeep(options: UpkeepOptions): Upkeep {
  const { ledger, verdicts, ingest, protections, intake, now } = options
  let timer: NodeJS.Timeout | undefined
  let stopped = false
  let ticks = 0
  let generation = 0

  async function tick(): Promise<void> {
    await intake.catchUp()
    if (ticks % OWN_TICKS === 0) await options.ownUpkeep()
    for (let due = dueNow(); due.length > 0 && !stopped; due = dueNow()) {
      if (!(await ingest.review(due)) || due.length < PAGE) break
    }
    while (!stopped && ledger.expire(Math.floor(now() / 1000), PAGE) === PAGE) await turn()
    if (ticks % NAMES_TICKS === 0) ledger.collectNames(NAMES)
    ticks++
    const changed = ticks % RESOLVE_TICKS === 0 ? await protections.resolve() : protections.refresh()
    if (changed) await reviewAll()
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

  async function reviewAll(): Promise<void> {
    // A newer call makes an older one superfluous: it starts again from the first subject.
    const mine = ++generation
    let after: Subject | '' = ''
    while (!stopped && mine === generation) {
      const page: Subject[] = ledger.subjectsAfter(after, PAGE)
      if (!(await ingest.review(page)) || page.length < PAGE) return
      after = page.at(-1)!
    }
  }

  return {
    start() {
      intake.watch()
      void run()
      // What changed while we were down: the config, the clock.
      void reviewAll()
    },
    stop() {
      stopped = true
      intake.stop()
      clearTimeout(timer)
    },
    reviewAll
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
