/**
 * A sync session on its stream: frames with their lengths, back-pressure, and bounds on time and memory. Whatever the
 * friend does, it ends with an outcome.
 */
import { setImmediate as turn } from 'node:timers/promises'
import type { Stream } from '@libp2p/interface'
import { messageStreamToDuplex } from '@libp2p/utils'
import * as lengthPrefixed from 'it-length-prefixed'
import { pipe } from 'it-pipe'
import type { Uint8ArrayList } from 'uint8arraylist'
import { createDialogue, type DialogueEnd, type DialogueOptions } from './sync-dialogue.ts'

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
  | 'stopping'
  | 'internal-error'

export interface SyncCounts {
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
  /** Ends it at once, if it is still under way. */
  end(reason: SyncEnd): void
}

export function runSession(stream: Stream, options: DialogueOptions): Session {
  const { limits } = options
  let failure: { reason: SyncEnd; cause?: unknown } | null = null
  let wake = Promise.withResolvers<void>()
  let bytes = 0
  let unread = 0
  let counts: () => Omit<SyncCounts, 'bytes'> = () => ({ sent: 0, received: 0, accepted: 0, rounds: 0 })

  return { outcome: run(), end: fail }

  async function run(): Promise<SyncOutcome> {
    const idle = setTimeout(() => fail('idle'), limits.idleMs)
    const whole = setTimeout(() => fail('over-time'), limits.sessionMs)
    try {
      await converse(idle)
    } catch (error) {
      fail(transportFailure(error))
    } finally {
      clearTimeout(idle)
      clearTimeout(whole)
    }
    if (failure === null) return { kind: 'done', ...counts(), bytes }
    return { kind: 'ended', ...failure, ...counts(), bytes }
  }

  /** The first reason counts. */
  function fail(reason: SyncEnd, cause?: unknown): void {
    if (failure !== null) return
    failure = { reason, ...(cause !== undefined && { cause }) }
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

  async function converse(idle: NodeJS.Timeout): Promise<void> {
    // The duplex below takes in whatever arrives, without bound: this listener is first, and is the bound.
    stream.addEventListener('message', ({ data }) => {
      unread += data.byteLength
      if (unread > limits.unreadBytes) fail('flood')
    })
    const { source, sink } = messageStreamToDuplex(stream)
    const created = await guarded(() => createDialogue(options))
    if (created === null) return
    if (!created.ok) return fail(created.reason)
    const dialogue = created.value
    counts = dialogue.counts
    let written = Promise.resolve()

    async function* outgoing(): AsyncGenerator<Uint8Array> {
      while (failure === null) {
        const frame = await guarded(() => dialogue.next())
        if (frame !== null) {
          bytes += frame.length
          yield frame
        } else if (dialogue.complete()) return
        else await wake.promise
        wake = Promise.withResolvers()
      }
    }

    async function read(frames: AsyncIterable<Uint8ArrayList>): Promise<void> {
      for await (const frame of frames) {
        bytes += frame.byteLength
        unread -= frame.byteLength + prefixBytes(frame.byteLength)
        clearTimeout(idle)
        const end = await guarded(() => dialogue.take(frame.subarray()))
        if (end !== null) fail(end)
        if (failure !== null) return
        wake.resolve()
        idle.refresh()
        await turn()
      }
      if (!dialogue.complete()) fail('cut-short')
    }
    await pipe(
      outgoing(),
      (frames) => lengthPrefixed.encode(frames, { maxDataLength: limits.frameBytes }),
      { source, sink: (out: Parameters<typeof sink>[0]) => (written = sink(out)) },
      (chunks) => lengthPrefixed.decode(chunks, { maxDataLength: limits.frameBytes }),
      read
    )
    await written
  }
}
