/**
 * A sync session on its stream: frames with their lengths, back-pressure, and bounds on time and memory. Whatever the
 * friend does, it ends with an outcome.
 */
import { setImmediate as turn } from 'node:timers/promises'
import type { Stream } from '@libp2p/interface'
import { messageStreamToDuplex } from '@libp2p/utils'
import * as lengthPrefixed from 'it-length-prefixed'
import { pipe } from 'it-pipe'
import { createItemSetBuilder, type ItemPage, type ItemSet } from '../core/reconcile-items.ts'
import { createDialogue, type Dialogue, type DialogueEnd, type DialogueOptions } from './sync-dialogue.ts'

export type SyncEnd =
  | DialogueEnd
  | 'oversized-frame'
  | 'flood'
  | 'idle'
  | 'over-time'
  | 'cut-short'
  | 'connection-lost'
  | 'unreachable'
  | 'at-capacity'
  | 'superseded'
  | 'gave-way'
  | 'stopping'
  | 'internal-error'

interface SyncCounts {
  /** Reports that the friend lacked, and dealt with. */
  readonly sent: number
  readonly received: number
  /** Of the received ones, those that `ingest` took. */
  readonly accepted: number
  /** Messages in the longer one of the two reconciliations, both ways. */
  readonly rounds: number
  /** Of all frames, both ways. */
  readonly bytes: number
}

export type SyncOutcome =
  | ({ readonly kind: 'done' } & SyncCounts)
  /** `cause` is an exception of ours, for the log, with `internal-error` only. */
  | ({ readonly kind: 'ended'; readonly reason: SyncEnd; readonly cause?: unknown } & SyncCounts)

export interface Session {
  readonly outcome: Promise<SyncOutcome>
  /** Of all frames so far, both ways. */
  bytes(): number
  /** Ends it at once, if it is still under way. */
  end(reason: SyncEnd): void
}

/** As it-length-prefixed gives it: perhaps in pieces. */
interface FrameBytes {
  readonly byteLength: number
  subarray(): Uint8Array
}

/** Pages of a set that are read in one turn of the event loop: some ms. With fewer a busy node would be taken for an idle one. */
const TURN_PAGES = 8

const NOTHING = { sent: 0, received: 0, accepted: 0, rounds: 0 }

type SessionOptions = Omit<DialogueOptions, 'offers' | 'holds'>

export function runSession(stream: Stream, options: SessionOptions): Session {
  const { friend, ports, limits } = options
  let dialogue: Dialogue | null = null
  let failure: { reason: SyncEnd; cause?: unknown } | null = null
  let wake = Promise.withResolvers<void>()
  let idle: NodeJS.Timeout | undefined
  let bytes = 0
  let unread = 0

  return { outcome: run(), bytes: () => bytes, end: fail }

  async function run(): Promise<SyncOutcome> {
    const whole = setTimeout(() => fail('over-time'), limits.sessionMs)
    awaitFrame()
    try {
      await converse()
    } catch (error) {
      fail(transportFailure(error))
    } finally {
      clearTimeout(idle)
      clearTimeout(whole)
    }
    const counts = { ...(dialogue?.counts() ?? NOTHING), bytes }
    return failure === null ? { kind: 'done', ...counts } : { kind: 'ended', ...failure, ...counts }
  }

  function awaitFrame(): void {
    idle = setTimeout(() => fail('idle'), limits.idleMs)
  }

  /** The first reason counts, and none does once all was said: then the friend has only failed to close the stream. */
  function fail(reason: SyncEnd, cause?: unknown): void {
    if (failure === null && !dialogue?.complete()) failure = { reason, ...(cause !== undefined && { cause }) }
    stream.abort(new Error(`sync: ${reason}`))
    wake.resolve()
  }

  /** Ours may fail without harm to the node, but not unnoticed as a fault of the connection. */
  async function guarded<T>(work: () => T | Promise<T>): Promise<T | null> {
    try {
      return await work()
    } catch (cause) {
      fail('internal-error', cause)
      return null
    }
  }

  async function converse(): Promise<void> {
    // The duplex takes in whatever arrives, without bound: this listener comes before it, and is the bound.
    stream.addEventListener('message', ({ data }) => {
      unread += data.byteLength
      if (unread > limits.unreadBytes) fail('flood')
    })
    const duplex = messageStreamToDuplex(stream)
    const created = await guarded(async () => {
      const offers = await gather(ports.offers(friend))
      const holds = await gather(ports.holds(friend))
      return createDialogue({ ...options, offers, holds })
    })
    if (created === null || failure !== null) return
    if (!created.ok) return fail(created.reason)
    dialogue = created.value
    let written = Promise.resolve()
    await pipe(
      outgoing(dialogue),
      (frames) => lengthPrefixed.encode(frames, { maxDataLength: limits.frameBytes }),
      { source: duplex.source, sink: (chunks: Parameters<typeof duplex.sink>[0]) => (written = duplex.sink(chunks)) },
      (chunks) => lengthPrefixed.decode(chunks, { maxDataLength: limits.frameBytes }),
      (frames) => read(frames, created.value)
    )
    await written
  }

  /** A large set takes its time: other things come in between, and it is not finished if the session ends meanwhile. */
  async function gather(pages: Iterable<ItemPage>): Promise<ItemSet> {
    const builder = createItemSetBuilder()
    let seen = 0
    for (const page of pages) {
      builder.add(page)
      if (++seen % TURN_PAGES === 0) await turn()
      if (failure !== null) break
    }
    return builder.build()
  }

  async function* outgoing({ next, complete }: Dialogue): AsyncGenerator<Uint8Array> {
    while (failure === null) {
      const frame = await guarded(next)
      if (frame !== null) {
        bytes += frame.length
        yield frame
      } else if (complete()) return
      else await wake.promise
      wake = Promise.withResolvers()
    }
  }

  async function read(frames: AsyncIterable<FrameBytes>, { take, complete }: Dialogue): Promise<void> {
    for await (const frame of frames) {
      clearTimeout(idle)
      bytes += frame.byteLength
      unread -= frame.byteLength + prefixBytes(frame.byteLength)
      const end = await guarded(() => take(frame.subarray()))
      if (end !== null) fail(end)
      if (stream.status !== 'open') return fail('connection-lost')
      wake.resolve()
      awaitFrame()
      // Frames that are here already would otherwise be dealt with in one turn of the event loop.
      await turn()
    }
    if (!complete()) fail('cut-short')
  }
}

function transportFailure(error: unknown): SyncEnd {
  switch (error instanceof Error ? error.name : '') {
    case 'InvalidDataLengthError':
      return 'oversized-frame'
    case 'InvalidDataLengthLengthError':
    case 'InvalidMessageLengthError':
      return 'malformed-frame'
    case 'UnexpectedEOFError':
      return 'cut-short'
    default:
      return 'connection-lost'
  }
}

/** Bytes of the varint before a frame. */
function prefixBytes(length: number): number {
  return length < 2 ** 7 ? 1 : length < 2 ** 14 ? 2 : 3
}
