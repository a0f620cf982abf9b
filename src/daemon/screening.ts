/**
 * What an envelope goes through before the ledger is touched: friend, size limit, decode, rate, verify. Nothing is
 * remembered of it here.
 *
 * Of several envelopes the signatures are checked side by side on the threads of libuv: there one costs this thread 15 us
 * instead of 105, which doubles what a node can take. One alone is checked at once, which is sooner.
 */
import type { PeerId, Report } from '../core/report.ts'
import { ok, refuse, type Result } from '../core/result.ts'
import type { Ledger, OwnSource } from '../store/ledger.ts'
import { decodeEnvelope, decodeReport, type DecodedEnvelope } from '../wire/codec.ts'
import { verifyReport, verifyReportSoon } from '../wire/signature.ts'
import type { Friends } from './friends.ts'
import type { Refusal } from './outcome.ts'

export interface ScreeningOptions {
  readonly ledger: Pick<Ledger, 'find'>
  readonly friends: Friends
  readonly network: string
  /** Whether a friend may bring this much now; called once for each envelope, with the number of claims it counts for. */
  admit(friend: PeerId, claims: number): boolean
}

/** `from` a friend; or `own`, by which of our sources. The other one is null. */
export interface Delivery {
  readonly bytes: Uint8Array
  readonly from: PeerId | null
  readonly own: OwnSource | null
}

export interface Screened extends Delivery {
  readonly envelope: DecodedEnvelope
  /** Null if it was in the ledger already: its bytes and signature are then those that were verified. */
  readonly report: Report | null
}

export interface Screening {
  /** All but the signature. */
  screen(delivery: Delivery): Result<Screened, Refusal>
  /** Whether the signatures hold, in the same order; of what is known there is none to check. */
  verify(screened: readonly Screened[]): Promise<boolean[]>
}

export function createScreening({ ledger, friends, network, admit }: ScreeningOptions): Screening {
  return {
    screen(delivery) {
      const { bytes, from } = delivery
      const unwelcome = refusalOf(from, friends)
      if (unwelcome !== null) return refuse(unwelcome)
      const envelope = decodeEnvelope(bytes)
      if (!envelope.ok) return envelope
      const { reportId, reportBytes } = envelope.value
      if (ledger.find(reportId) !== null) return ok({ ...delivery, envelope: envelope.value, report: null })
      const report = decodeReport(reportBytes)
      if (!report.ok) return report
      if (from !== null && !admit(from, report.value.claims.length)) return refuse('over-rate')
      return ok({ ...delivery, envelope: envelope.value, report: report.value })
    },
    async verify(screened) {
      const check = screened.filter(isToVerify).length > 1 ? verifyReportSoon : verifyReport
      return Promise.all(
        screened.map(async (each) => {
          if (!isToVerify(each)) return true
          const { reportBytes, signature } = each.envelope
          return check(network, each.report.origin, reportBytes, signature)
        })
      )
    }
  }
}

function isToVerify(screened: Screened): screened is Screened & { report: Report } {
  return screened.report !== null
}

/** Whom we listen to; `null` is ourselves. */
export function refusalOf(from: PeerId | null, friends: Friends): 'not-a-friend' | 'paused' | null {
  if (from === null) return null
  const friend = friends.get(from)
  if (friend === undefined) return 'not-a-friend'
  return friend.paused ? 'paused' : null
}
