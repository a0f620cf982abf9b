/**
 * Judging anew what a change from outside touches: of policy, friends, trust, or of who is protected. A page at a time, so
 * that a large ledger keeps nobody waiting.
 */
import { setImmediate as turn, setTimeout as delay } from 'node:timers/promises'
import type { Cidr } from '../core/cidr.ts'
import { coveringCidrs } from '../core/protection.ts'
import type { PeerId } from '../core/report.ts'
import type { Subject } from '../core/subject.ts'
import { transaction, type Database } from '../store/database.ts'
import type { Ledger, ReportRow } from '../store/ledger.ts'
import type { Ingest } from './ingest.ts'
import type { Offers } from './offers.ts'

/** The CIDRs whose protection has changed, or everything. */
export type Touched = readonly Cidr[] | 'everything'

export interface ReviewingOptions {
  readonly db: Database
  readonly ledger: Pick<Ledger, 'subjectsAfter' | 'reportsAfter'>
  readonly ingest: Pick<Ingest, 'review'>
  readonly offers: Pick<Offers, 'refresh'>
  readonly self: PeerId
}

export interface Reviewing {
  /** All verdicts, then what we offer to friends. A call during a run begins it anew; all end together. */
  everything(): Promise<void>
  /** The same with rests in between, longer ones while there is other work. */
  everythingAtLeisure(): Promise<void>
  touched(touched: Touched): Promise<void>
  stop(): void
}

/** Subjects judged, or offers made anew, in one turn of the event loop: about a millisecond. */
const PAGE = 100
/** The rest after that, if there is time; twice as long each time that more than half of it went into other things. */
const REST_MS = 4
const LONGEST_REST_MS = 32
const BUSY = 0.5

export function createReviewing({ db, ledger, ingest, offers, self }: ReviewingOptions): Reviewing {
  let running: Promise<void> | null = null
  let again = false
  let hasTime = true
  let restMs = REST_MS
  let stopped = false

  async function run(): Promise<void> {
    do {
      again = false
      if (await judgeAll()) await offerAll()
    } while (again && !stopped)
  }

  async function judgeAll(): Promise<boolean> {
    for (let after: Subject | '' = ''; !stopped && !again;) {
      const page: Subject[] = ledger.subjectsAfter(after, PAGE)
      if (!(await ingest.review(page))) return false
      if (page.length < PAGE) return true
      after = page.at(-1)!
      await rest()
    }
    return false
  }

  /** Friends learn of another confidence when they sync; it is not worth a message for every report. */
  async function offerAll(): Promise<void> {
    for (let after: ReportRow | 0 = 0; !stopped && !again;) {
      const page = ledger.reportsAfter(after, PAGE)
      transaction(db, () => {
        for (const report of page) if (report.origin !== self) offers.refresh(report)
      })
      if (page.length < PAGE) return
      after = page.at(-1)!.row
      await rest()
    }
  }

  async function rest(): Promise<void> {
    if (!hasTime) return turn()
    const before = performance.eventLoopUtilization()
    await delay(restMs)
    const { utilization } = performance.eventLoopUtilization(before)
    restMs = utilization > BUSY ? Math.min(2 * restMs, LONGEST_REST_MS) : REST_MS
  }

  function begin(atLeisure: boolean): Promise<void> {
    again = true
    hasTime = atLeisure && (running === null || hasTime)
    running ??= run().finally(() => (running = null))
    return running
  }

  const everything = (): Promise<void> => begin(false)

  return {
    everything,
    everythingAtLeisure: () => begin(true),
    async touched(touched) {
      if (touched === 'everything' || touched.some((cidr) => cidr.includes('/'))) return everything()
      // An address: only itself and what covers it can be about it.
      const subjects = (touched as readonly Subject[]).flatMap((address) => [address, ...coveringCidrs(address)])
      if (subjects.length > 0) await ingest.review(subjects)
    },
    stop() {
      stopped = true
    }
  }
}
