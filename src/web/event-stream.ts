/** Server-sent events: the live feed to every open dashboard, in batches, each reader bounded in what it may fall behind. */
import type { ServerResponse } from 'node:http'
import type { LiveEvent } from './api.ts'

/** Dashboards that are open at once; one more is refused. */
export const STREAM_READERS = 32
/** At most one batch in this time, so that a flood of bans is a few writes. */
const BATCH_MS = 100
/** Lets a browser notice that we are gone. */
const HEARTBEAT_MS = 15_000
/** What a reader may leave unread before it is cut off; its browser then comes back with the last ID that it has seen. */
const UNREAD_BYTES = 1024 * 1024

export interface EventSource {
  eventsAfter(id: number): readonly LiveEvent[]
  subscribe(happened: () => void): () => void
}

export interface EventStream {
  /** Writes events after `lastId` from now on. False if there are too many readers. */
  open(response: ServerResponse, headers: Readonly<Record<string, string>>, lastId: number): boolean
  readers(): number
  close(): void
}

export function createEventStream(source: EventSource): EventStream {
  const readers = new Map<ServerResponse, number>()
  let batch: NodeJS.Timeout | undefined
  let heartbeat: NodeJS.Timeout | undefined
  let unsubscribe = (): void => {}

  function write(response: ServerResponse, text: string): void {
    response.write(text)
    if (response.writableLength > UNREAD_BYTES) response.destroy()
  }

  function send(response: ServerResponse): void {
    const events = source.eventsAfter(readers.get(response)!)
    const last = events.at(-1)
    if (last === undefined) return
    readers.set(response, last.id)
    write(response, `id: ${last.id}\ndata: ${JSON.stringify(events)}\n\n`)
  }

  function start(): void {
    unsubscribe = source.subscribe(() => {
      batch ??= setTimeout(() => {
        batch = undefined
        for (const response of readers.keys()) send(response)
      }, BATCH_MS)
    })
    heartbeat = setInterval(() => {
      for (const response of readers.keys()) write(response, ':\n\n')
    }, HEARTBEAT_MS)
  }

  function stop(): void {
    unsubscribe()
    clearInterval(heartbeat)
    clearTimeout(batch)
    batch = undefined
  }

  return {
    open(response, headers, lastId) {
      if (readers.size >= STREAM_READERS) return false
      response.writeHead(200, { ...headers, 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
      response.write('retry: 1000\n\n')
      if (readers.size === 0) start()
      readers.set(response, lastId)
      response.on('close', () => {
        readers.delete(response)
        if (readers.size === 0) stop()
      })
      response.on('error', () => undefined)
      send(response)
      return true
    },
    readers: () => readers.size,
    close() {
      stop()
      for (const response of readers.keys()) response.destroy()
    }
  }
}
