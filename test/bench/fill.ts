/** Fills a node's ledger, before its start, with live bans of its own: as many reports as told, of so many claims each. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import type { Claim } from '../../src/core/report.ts'
import type { Subject } from '../../src/core/subject.ts'
import { loadIdentity } from '../../src/daemon/identity.ts'
import { openDatabase, transaction } from '../../src/store/database.ts'
import { createLedger } from '../../src/store/ledger.ts'
import { encodeReport, reportIdOf } from '../../src/wire/codec.ts'
import { offerKey } from '../../src/wire/offer-key.ts'
import { signReport } from '../../src/wire/signature.ts'

const TTL_SECONDS = 24 * 3600
const TRANSACTION_REPORTS = 1000

/** The nth address of 10.0.0.0/8. */
export function subjectOf(n: number): Subject {
  return `10.${(n >> 16) & 255}.${(n >> 8) & 255}.${n & 255}` as Subject
}

/** `from`: the number of the first address. `issuedAt` of the reports counts up from `now` (ms), one a report. */
export function fill(
  dir: string,
  { reports, claims, now, from = 0 }: { reports: number; claims: number; now: number; from?: number }
): void {
  const identity = loadIdentity(join(dir, 'identity.key'))
  const opened = openDatabase(join(dir, 'ledger.db'))
  assert(identity.ok && opened.ok)
  const { peerId: origin, signingKey } = identity.value
  const ledger = createLedger(opened.value)
  const until = Math.floor(now / 1000) + TTL_SECONDS
  for (let first = 0; first < reports; first += TRANSACTION_REPORTS) {
    transaction(opened.value, () => {
      for (let r = first; r < Math.min(reports, first + TRANSACTION_REPORTS); r++) {
        const said = Array.from({ length: claims }, (_, i): Claim => ({
          kind: 'ban',
          subject: subjectOf(from + r * claims + i),
          until,
          jail: 'sshd',
          failures: 3
        }))
        const report = { origin, issuedAt: ledger.nextIssuedAt(now), claims: said }
        const bytes = encodeReport(report)
        const id = reportIdOf(bytes)
        const { row } = ledger.record(
          { id, bytes, signature: signReport('test', signingKey, bytes), report },
          null,
          'fail2ban'
        )!
        ledger.paths.offer(row, { key: offerKey(id, []), via: null })
      }
    })
  }
  opened.value.close()
}
