/**
 * A sync session without its stream: frames in, frames out. Two reconciliations run side by side, one about what each side
 * offers; as soon as a side knows what the other one lacks, it sends that, and the other one says what it has dealt with.
 * No report is asked for by name, and never are more bytes under way than the window allows.
 */
import { PROTOCOL_LIMITS } from '../core/limits.ts'
import { SALT_BYTES, type ItemPage, type ItemSet } from '../core/reconcile-items.ts'
import { createReconciler, type Reconciler, type ReconcileRefusal } from '../core/reconcile.ts'
import type { PeerId } from '../core/report.ts'
import { ok, type Result } from '../core/result.ts'
import { decodeFrame, encodeFrame, type Offerer } from './sync-frames.ts'
import type { SyncLimits } from './sync-limits.ts'

/** What sync needs from elsewhere. A port that throws is a bug: the session ends as `internal-error`. */
export interface SyncPorts {
  /** What this node would serve to the friend now; `refs` are the ledger's numbers of it. Read page by page. */
  offers(friend: PeerId): Iterable<ItemPage>
  /** What this node has of what the friend offers: the keys are those that the friend computes. */
  holds(friend: PeerId): Iterable<ItemPage>
  /** The envelopes of offered items, read as they are needed. Items that are gone by then may be left out. */
  serve(friend: PeerId, refs: readonly number[]): Iterable<Uint8Array>
  /**
   * The one way in. It is called for all envelopes of a frame at once, and may take its time: the friend sends no more than
   * the window meanwhile. `stop`: nothing more is wanted of this friend now.
   */
  ingest(envelope: Uint8Array, from: PeerId): Promise<{ readonly ok: boolean; readonly stop?: boolean }>
  /** After every frame of reports, sent or received. */
  progress(friend: PeerId, progress: SyncProgress): void
  random(bytes: number): Uint8Array
}

export interface SyncProgress {
  /** Reports that the friend has dealt with, of those that it lacks. */
  readonly sent: number
  readonly toSend: number
  readonly received: number
  readonly toReceive: number
}

export type DialogueEnd =
  | ReconcileRefusal
  | 'busy'
  | 'malformed-frame'
  | 'unexpected-frame'
  | 'too-many-reports'
  | 'ingest-stopped'

export interface Dialogue {
  /** Deals with a frame. The reason if the session ends here, because of the friend or because enough was taken. */
  take(frame: Uint8Array): Promise<DialogueEnd | null>
  /** The next frame to send, or null if there is none before something was taken. */
  next(): Uint8Array | null
  /** Whether everything was said and dealt with, on both sides. */
  complete(): boolean
  /** So far: reports sent and dealt with, received, taken by `ingest`; messages in the longer of the reconciliations. */
  counts(): { readonly sent: number; readonly received: number; readonly accepted: number; readonly rounds: number }
}

export interface DialogueOptions {
  readonly role: Offerer
  readonly friend: PeerId
  readonly ports: SyncPorts
  readonly limits: SyncLimits
  /** What the ports of these names have said. */
  readonly offers: ItemSet
  readonly holds: ItemSet
}

/** One of the two reconciliations. */
interface Side {
  readonly offerer: Offerer
  /** Null when it is done: a set may be large. */
  reconciler: Reconciler | null
  /** Our message, until it is handed out. */
  unsent: Uint8Array | null
  rounds: number
  done: boolean
  readonly have: number[]
  need: number
}

/** Reports on their way. */
interface Flight {
  readonly bytes: number
  readonly reports: number
}

/** Refused if one of the own sets is larger than can be reconciled. */
export function createDialogue(options: DialogueOptions): Result<Dialogue, 'too-many-items'> {
  const { role, friend, ports, limits, offers } = options
  const offering = createSide(offers, role)
  if (!offering.ok) return offering
  const wanting = createSide(options.holds, role === 'initiator' ? 'responder' : 'initiator')
  if (!wanting.ok) return wanting
  const ours = offering.value
  const theirs = wanting.value

  let source: Iterator<Uint8Array> | null = null
  /** A frame that did not fit the window. */
  let held: { readonly frame: Uint8Array; readonly reports: number } | null = null
  const flights: Flight[] = []
  let inFlight = 0
  let ended = false
  let sent = 0

  let heard = false
  let received = 0
  let accepted = 0
  /** Frames of reports that we dealt with and have not said so. */
  let taken = 0
  let theyEnded = false

  return ok({
    async take(bytes) {
      const first = !heard
      heard = true
      const frame = decodeFrame(bytes, limits.reportsPerFrame)
      if (frame === null) return 'malformed-frame'
      switch (frame.type) {
        case 'busy':
          return first && role === 'initiator' ? 'busy' : 'unexpected-frame'
        case 'reconcile':
          return takeMessage(frame.offerer === role ? ours : theirs, frame.message)
        case 'reports':
          return takeReports(frame.envelopes)
        case 'taken':
          return takeTaken(frame.frames)
        case 'end':
          if (!theirs.done || theyEnded) return 'unexpected-frame'
          theyEnded = true
          return null
      }
    },
    next() {
      for (const side of [ours, theirs]) {
        const message = side.unsent
        if (message === null) continue
        side.unsent = null
        side.rounds++
        return encodeFrame({ type: 'reconcile', offerer: side.offerer, message })
      }
      if (taken > 0) {
        const frames = taken
        taken = 0
        return encodeFrame({ type: 'taken', frames })
      }
      return ours.done && !ended ? nextReports() : null
    },
    complete: () => ended && flights.length === 0 && theyEnded && taken === 0,
    counts: () => ({ sent, received, accepted, rounds: Math.max(ours.rounds, theirs.rounds) })
  })

  function createSide(items: ItemSet, offerer: Offerer): Result<Side, 'too-many-items'> {
    const initiator = role === 'initiator'
    const created = createReconciler(
      items,
      initiator ? { side: 'initiator', salt: ports.random(SALT_BYTES) } : { side: 'responder' },
      limits.reconcile
    )
    if (!created.ok) return created
    const reconciler = created.value
    const unsent = initiator ? reconciler.initiate() : null
    return ok({ offerer, reconciler, unsent, rounds: 0, done: false, have: [], need: 0 })
  }

  function takeMessage(side: Side, message: Uint8Array): DialogueEnd | null {
    // Whoever speaks twice without waiting for the reply could make us queue replies without end.
    if (side.unsent !== null) return 'unexpected-frame'
    side.rounds++
    if (side.reconciler === null) return 'finished'
    const step = side.reconciler.reconcile(message)
    if (!step.ok) return step.reason
    const { reply, done, have, need } = step.value
    side.unsent = reply
    side.done = done
    if (done) side.reconciler = null
    side.need += need
    for (const index of have) side.have.push(index)
    return null
  }

  async function takeReports(envelopes: readonly Uint8Array[]): Promise<DialogueEnd | null> {
    if (!theirs.done || theyEnded) return 'unexpected-frame'
    received += envelopes.length
    if (received > theirs.need) return 'too-many-reports'
    const outcomes = await Promise.all(envelopes.map((envelope) => ports.ingest(envelope, friend)))
    accepted += outcomes.filter((outcome) => outcome.ok).length
    taken++
    report()
    return outcomes.some(({ stop }) => stop) ? 'ingest-stopped' : null
  }

  function takeTaken(frames: number): DialogueEnd | null {
    if (frames > flights.length) return 'unexpected-frame'
    for (const { bytes, reports } of flights.splice(0, frames)) {
      inFlight -= bytes
      sent += reports
    }
    report()
    return null
  }

  function nextReports(): Uint8Array | null {
    held ??= readReports()
    if (held === null) {
      ended = true
      return encodeFrame({ type: 'end' })
    }
    const { frame, reports } = held
    if (inFlight + frame.length > limits.windowBytes) return null
    held = null
    flights.push({ bytes: frame.length, reports })
    inFlight += frame.length
    return frame
  }

  /** A frame of about `batchBytes`, or null if nothing is left to serve. */
  function readReports(): { frame: Uint8Array; reports: number } | null {
    source ??= ports.serve(friend, refs())[Symbol.iterator]()
    const envelopes: Uint8Array[] = []
    let bytes = 0
    while (bytes < limits.batchBytes && envelopes.length < limits.reportsPerFrame) {
      const { done, value } = source.next()
      if (done === true) break
      // With our hop it may have become too large; the friend would refuse it.
      if (value.length > PROTOCOL_LIMITS.envelopeBytes) continue
      envelopes.push(value)
      bytes += value.length
    }
    if (envelopes.length === 0) return null
    return { frame: encodeFrame({ type: 'reports', envelopes }), reports: envelopes.length }
  }

  /** In the order of the set: oldest first. */
  function refs(): number[] {
    return Array.from(Uint32Array.from(ours.have).sort(), (index) => offers.refs[index]!)
  }

  function report(): void {
    ports.progress(friend, { sent, toSend: ours.have.length, received, toReceive: theirs.need })
  }
}
