/**
 * Judging anew what a change from outside touches: of policy, friends, trust, or of who is protected. A page at a time, so
 * that a large ledger keeps nobody waiting.
 */
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
  readonly ledger: Ledger
  readonly ingest: Ingest
  readonly offers: Offers
  readonly self: PeerId
}

export interface Reviewing {
  /** All verdicts, then what we offer to friends. A call during a run begins it anew; all end together. */
  everything(): Promise<void>
  touched(touched: Touched): Promise<void>
  stop(): void
}

/** Subjects judged, or offers made anew, in one turn of the event loop. */
const PAGE = 500

export function createReviewing({ db, ledger, ingest, offers, self }: ReviewingOptions): Reviewing {
  let running: Promise<void> | null = null
  let again = false
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
      await turn()
    }
  }

  function everything(): Promise<void> {
    again = true
    running ??= run().finally(() => (running = null))
    return running
  }

  return {
    everything,
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

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
