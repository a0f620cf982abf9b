/**
 * Fills a node's ledger, before its start, with live bans of an origin that is its friend: as many reports as told, of so
 * many claims each. They are not the node's own, which it would merge.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import type { Claim, PeerId } from '../../src/core/report.ts'
import type { Subject } from '../../src/core/subject.ts'
import { openDatabase, transaction } from '../../src/store/database.ts'
import { createLedger } from '../../src/store/ledger.ts'
import { encodeReport, reportIdOf } from '../../src/wire/codec.ts'
import { offerKey } from '../../src/wire/offer-key.ts'
import { signReport } from '../../src/wire/signature.ts'
import { NETWORK, type Peer } from '../support/peers.ts'

/** What the nodes trust each other and the origin, in ppm. */
const TRUST = 800_000
const TTL_SECONDS = 24 * 3600
const TRANSACTION_REPORTS = 1000

/** The nth address of 10.0.0.0/8. */
function subjectOf(n: number): Subject {
  return `10.${(n >> 16) & 255}.${(n >> 8) & 255}.${n & 255}` as Subject
}

export interface Filling {
  readonly reports: number
  readonly claims: number
  /** Unix ms at which the first report was issued; each next one a millisecond later. */
  readonly now: number
  /** The number of the first address. */
  readonly from?: number
}

export function fill(dir: string, self: string, origin: Peer, { reports, claims, now, from = 0 }: Filling): void {
  const opened = openDatabase(join(dir, 'ledger.db'))
  assert(opened.ok)
  const ledger = createLedger(opened.value)
  const until = Math.floor(now / 1000) + TTL_SECONDS
  const ours = [{ peer: self as PeerId, trust: TRUST }]
  for (let first = 0; first < reports; first += TRANSACTION_REPORTS) {
    transaction(opened.value, () => {
      for (let r = first; r < Math.min(reports, first + TRANSACTION_REPORTS); r++) {
        const said = Array.from({ length: claims }, (_, i): Claim => {
          const subject = subjectOf(from + r * claims + i)
          return { kind: 'ban', subject, until, jail: 'sshd', failures: 3 }
        })
        const report = { origin: origin.id, issuedAt: now + r, claims: said }
        const bytes = encodeReport(report)
        const id = reportIdOf(bytes)
        const signature = signReport(NETWORK, origin.key, bytes)
        const { row } = ledger.record({ id, bytes, signature, report }, origin.id, null)!
        ledger.paths.put(row, { friend: origin.id, hops: [] }, offerKey(id, []))
        ledger.paths.offer(row, { key: offerKey(id, ours), via: origin.id }, TRUST)
      }
    })
  }
  opened.value.close()
}
