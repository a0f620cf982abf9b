/**
 * Who knocked: peers that wanted what only friends get, so most likely operators who have added us and wait for us to add
 * them. Anybody can knock with any number of IDs, so the list is bounded, one host gets few places in it, and new names
 * are taken in at a bounded rate.
 */
import type { Multiaddr } from '@multiformats/multiaddr'
import type { PeerId } from '../core/report.ts'
import { admit, RESTED } from '../core/rate.ts'
import { withoutPeer } from './addresses.ts'
import { hostOf } from './gate.ts'
import type { MeshLimits } from './limits.ts'

export interface Knock {
  readonly id: PeerId
  /** A multiaddr: where it came from, which may not be where it can be reached. */
  readonly address: string
  /** Unix ms. */
  readonly first: number
  readonly last: number
  readonly count: number
}

export interface Knocks {
  knock(peer: PeerId, address: Multiaddr): void
  /** It has become a friend. */
  forget(peer: PeerId): void
  /** The newest first. */
  all(): readonly Knock[]
}

const MINUTE_SECONDS = 60

export interface KnocksOptions {
  readonly limits: MeshLimits
  /** Unix ms. */
  readonly now: () => number
  /** Somebody who is not in the list yet. */
  readonly onKnock: (knock: Knock) => void
}

export function createKnocks({ limits, now, onKnock }: KnocksOptions): Knocks {
  const knocks = new Map<PeerId, Knock & { readonly host: string }>()
  const rate = { perSecond: limits.newKnocksPerMinute / MINUTE_SECONDS, burst: limits.newKnocksPerMinute }
  let state = RESTED

  return {
    knock(id, address) {
      const at = now()
      const before = knocks.get(id)
      const host = hostOf(address)
      const knock = {
        id,
        address: (withoutPeer(address, id) ?? address).toString(),
        first: before?.first ?? at,
        last: at,
        count: (before?.count ?? 0) + 1,
        host
      }
      if (before === undefined) {
        const sameHost = [...knocks.values()].filter((other) => other.host === host)
        const admission = admit(state, rate, at)
        if (!admission.admitted) return
        state = admission.state
        const full = knocks.size >= limits.knocks ? [...knocks.values()][0] : undefined
        const goner = sameHost.length >= limits.knocksPerHost ? sameHost[0] : full
        if (goner !== undefined) knocks.delete(goner.id)
      }
      // Put at the end: the order is that of the last knock.
      knocks.delete(id)
      knocks.set(id, knock)
      if (before === undefined) onKnock(knock)
    },
    forget: (id) => void knocks.delete(id),
    all: () => [...knocks.values()].toReversed().map(({ host: _host, ...knock }) => knock)
  }
}
