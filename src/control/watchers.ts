/** Live events to everybody who watches, a JSON document a line. A reader that falls behind is cut off. */
import type { ServerResponse } from 'node:http'
import type { LiveEvent } from './api.ts'

/** Readers at the same time; one more is refused. */
export const WATCHERS = 16
/** Bytes that a reader may leave unread. */
export const UNREAD_BYTES = 1024 * 1024

export interface WatchPort {
  subscribe(happened: (events: readonly LiveEvent[]) => void): () => void
  /** Unix ms. */
  now(): number
}

export interface Watchers {
  isFull(): boolean
  add(response: ServerResponse): void
  close(): void
}

const NOTHING = { subject: null, score: null, until: null, origins: null, jail: null, name: null, reason: null }

export function createWatchers(port: WatchPort): Watchers {
  const readers = new Set<ServerResponse>()

  function write(response: ServerResponse, events: readonly LiveEvent[]): void {
    response.write(events.map((event) => `${JSON.stringify(event)}\n`).join(''))
    if (response.writableLength > UNREAD_BYTES) response.destroy()
  }

  return {
    isFull: () => readers.size >= WATCHERS,
    add(response) {
      readers.add(response)
      const unsubscribe = port.subscribe((events) => write(response, events))
      response.once('close', () => {
        readers.delete(response)
        unsubscribe()
      })
      response.on('error', () => undefined)
      response.writeHead(200, { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store' })
      write(response, [{ ...NOTHING, kind: 'watching', at: port.now() }])
    },
    close() {
      for (const response of readers) response.destroy()
    }
  }
}
