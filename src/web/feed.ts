/**
 * The last things that have happened, for the dashboard's live feed: bounded, in memory, numbered. Events are staged
 * inside the ledger's transaction and shown once it is committed.
 */
import type { LiveEvent } from './api.ts'

/** Events that are remembered; of more in one go, the last ones. */
export const FEED_EVENTS = 500

export interface Feed {
  /** To be shown with the next `publish`. */
  stage(event: Omit<LiveEvent, 'id' | 'at'>): void
  /** The transaction was committed. */
  publish(): void
  /** The transaction was rolled back. */
  discard(): void
  after(id: number): readonly LiveEvent[]
  /** Calls back after each `publish` that had something to show; returns how to stop that. */
  subscribe(happened: () => void): () => void
}

/** `now`: Unix ms. */
export function createFeed(now: () => number): Feed {
  let staged: Omit<LiveEvent, 'id'>[] = []
  let events: LiveEvent[] = []
  // Higher after a restart than before: a dashboard that comes back names the last one that it has seen.
  let lastId = now()
  const listeners = new Set<() => void>()

  return {
    stage(event) {
      staged.push({ ...event, at: now() })
      // A flood in one transaction must not be kept whole; halving keeps the cost of an event constant.
      if (staged.length >= 2 * FEED_EVENTS) staged = staged.slice(-FEED_EVENTS)
    },
    publish() {
      if (staged.length === 0) return
      const fresh = staged.slice(-FEED_EVENTS).map((event) => ({ ...event, id: ++lastId }))
      staged = []
      events = [...events, ...fresh].slice(-FEED_EVENTS)
      for (const happened of listeners) happened()
    },
    discard() {
      staged = []
    },
    after: (id) => events.filter((event) => event.id > id),
    subscribe(happened) {
      listeners.add(happened)
      return () => void listeners.delete(happened)
    }
  }
}
