/**
 * What we vouch for to our friends: every report by the path that we trust most, with our own hop. Gossip sends it when it
 * is news; sync compares it and sends what a friend lacks.
 */
import { shouldRelay } from '../core/relay.ts'
import type { Hop, PeerId, Ppm, ReportId } from '../core/report.ts'
import { confidence } from '../core/trust.ts'
import type { KnownReport, Ledger, ReportRow, StoredReport } from '../store/ledger.ts'
import type { StoredOffer, StoredPath } from '../store/paths.ts'
import { encodeEnvelope } from '../wire/codec.ts'
import { offerKey } from '../wire/offer-key.ts'
import type { Friends } from './friends.ts'

export interface OffersOptions {
  readonly ledger: Ledger
  readonly friends: Friends
  readonly self: PeerId
  limits(): { readonly maxHops: number; readonly relayFloor: Ppm }
}

interface Offer {
  readonly confidence: Ppm
  readonly via: PeerId
  /** Our hop is the last. */
  readonly hops: readonly Hop[]
}

/** What `update` would otherwise read from the ledger again. */
export interface JustRecorded extends StoredReport {
  readonly paths: readonly StoredPath[]
}

export interface Offers {
  /** After a report's paths or our trust have changed: the envelope to gossip, or null if that is no news to friends. */
  update(report: Pick<KnownReport, 'row' | 'id' | 'relayed'>, recorded?: JustRecorded): Uint8Array | null
  /** The same without a word to friends: they learn of it when they sync. */
  refresh(report: Pick<KnownReport, 'row' | 'id' | 'relayed'>): void
  /** The envelopes that these rows are offered as; rows that are gone or no longer offered are left out. */
  envelopes(rows: readonly number[]): Generator<Uint8Array>
}

export function createOffers({ ledger, friends, self, limits }: OffersOptions): Offers {
  function best(paths: readonly StoredPath[]): Offer | null {
    let found: Offer | null = null
    for (const { friend: id, hops } of paths) {
      const friend = friends.get(id)
      if (friend === undefined || friend.paused || friend.observe) continue
      const sure = confidence({ friend: friend.id, trust: friend.trust, hops })
      if (found !== null && sure <= found.confidence) continue
      if (!isWorth(sure, hops.length, null)) continue
      found = { confidence: sure, via: friend.id, hops: [...hops, { peer: self, trust: friend.trust }] }
    }
    return found
  }

  function isWorth(sure: Ppm, hops: number, relayedConfidence: Ppm | null): boolean {
    return shouldRelay({ confidence: sure, hops, relayedConfidence, ...limits() })
  }

  return {
    update({ row, id, relayed }, recorded) {
      const offer = best(recorded?.paths ?? ledger.paths.of(row))
      const stored = keyed(id, offer)
      if (offer === null || !isWorth(offer.confidence, offer.hops.length - 1, relayed)) {
        ledger.paths.offer(row, stored, relayed)
        return null
      }
      ledger.paths.offer(row, stored, offer.confidence)
      const report = recorded ?? ledger.envelopeOf(row)
      return report === null ? null : sealed(report, offer.hops)
    },
    refresh({ row, id, relayed }) {
      ledger.paths.offer(row, keyed(id, best(ledger.paths.of(row))), relayed)
    },
    *envelopes(rows) {
      for (const number of rows) {
        const row = number as ReportRow
        const paths = ledger.paths.of(row)
        // No friend brought what is our own: it is offered without hops.
        const hops = paths.length === 0 ? [] : best(paths)?.hops
        const report = ledger.envelopeOf(row)
        if (hops !== undefined && report !== null) yield sealed(report, hops)
      }
    }
  }
}

function keyed(id: ReportId, offer: Offer | null): StoredOffer | null {
  return offer === null ? null : { key: offerKey(id, offer.hops), via: offer.via }
}

function sealed({ bytes: reportBytes, signature }: StoredReport, hops: readonly Hop[]): Uint8Array {
  return encodeEnvelope({ reportBytes, signature, hops })
}
