/**
 * What we vouch for to our friends: every report by the path that we trust most, with our own hop. Gossip sends it when it
 * is news; sync compares it and sends what a friend lacks.
 */
import { shouldRelay } from '../core/relay.ts'
import type { Hop, PeerId, Ppm } from '../core/report.ts'
import { confidence } from '../core/trust.ts'
import type { KnownReport, Ledger, ReportRow } from '../store/ledger.ts'
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

export interface Offers {
  /** After a report's paths or our trust have changed: the envelope to gossip, or null if that is no news to friends. */
  update(report: Pick<KnownReport, 'row' | 'id' | 'relayed'>): Uint8Array | null
  /** The envelopes that these rows are offered as; rows that are gone or no longer offered are left out. */
  envelopes(rows: readonly number[]): Generator<Uint8Array>
}

export function createOffers({ ledger, friends, self, limits }: OffersOptions): Offers {
  function best(row: ReportRow): Offer | null {
    let found: Offer | null = null
    for (const { friend: id, hops } of ledger.paths.of(row)) {
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

  function envelope(row: ReportRow, hops: readonly Hop[]): Uint8Array | null {
    const stored = ledger.envelopeOf(row)
    return stored === null ? null : encodeEnvelope({ reportBytes: stored.bytes, signature: stored.signature, hops })
  }

  return {
    update({ row, id, relayed }) {
      const offer = best(row)
      ledger.paths.offer(row, offer === null ? null : { key: offerKey(id, offer.hops), via: offer.via })
      if (offer === null || !isWorth(offer.confidence, offer.hops.length - 1, relayed)) return null
      ledger.setRelayed(row, offer.confidence)
      return envelope(row, offer.hops)
    },
    *envelopes(rows) {
      for (const number of rows) {
        const row = number as ReportRow
        // No friend brought what is our own: it is offered without hops.
        const hops = ledger.paths.of(row).length === 0 ? [] : best(row)?.hops
        const bytes = hops === undefined ? null : envelope(row, hops)
        if (bytes !== null) yield bytes
      }
    }
  }
}
