/**
 * What happens, to everybody who watches: staged inside the ledger's transaction, told once it is committed. Nobody
 * watching costs nothing.
 */
import type { LiveEvent } from '../control/api.ts'

/** Events of one transaction that are told; of more, how many they were. */
export const LIVE_EVENTS = 5000

type Told = Pick<LiveEvent, 'kind'> & Partial<Omit<LiveEvent, 'at'>>

export interface Live {
  /** To be told with the next `publish`. */
  stage(event: Told): void
  publish(): void
  /** The transaction was rolled back. */
  discard(): void
  /** At once. */
  tell(event: Told): void
  subscribe(happened: (events: readonly LiveEvent[]) => void): () => void
}

const NOTHING = { subject: null, score: null, until: null, origins: null, jail: null, name: null, reason: null }

/** `now`: Unix ms. */
export function createLive(now: () => number): Live {
  const listeners = new Set<(events: readonly LiveEvent[]) => void>()
  let staged: LiveEvent[] = []
  let skipped = 0

  const live: Live = {
    stage(event) {
      if (listeners.size === 0) return
      if (staged.length < LIVE_EVENTS) staged.push({ ...NOTHING, ...event, at: now() })
      else skipped++
    },
    publish() {
      if (staged.length === 0) return
      const events = staged
      if (skipped > 0) events.push({ ...NOTHING, kind: 'skipped', reason: String(skipped), at: now() })
      live.discard()
      for (const happened of listeners) happened(events)
    },
    discard() {
      staged = []
      skipped = 0
    },
    tell(event) {
      for (const happened of listeners) happened([{ ...NOTHING, ...event, at: now() }])
    },
    subscribe(happened) {
      listeners.add(happened)
      return () => void listeners.delete(happened)
    }
  }
  return live
}
