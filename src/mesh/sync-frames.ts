/**
 * What two friends say in a sync session, as bytes. On the stream each frame has its length before it (unsigned varint);
 * the frame is one byte for its type, then:
 *
 * | type | name | payload |
 * | --- | --- | --- |
 * | 0 | busy | nothing: no session now; the only frame |
 * | 1 | reconcile | a message about what the initiator of the stream offers (src/core/reconcile.ts) |
 * | 2 | reconcile | a message about what the responder offers |
 * | 3 | reports | 1 or more envelopes, each with its length before it: 4 bytes, big-endian, not 0 |
 * | 4 | taken | 4 bytes, big-endian, not 0: so many more frames of reports were dealt with |
 * | 5 | end | nothing: no more reports come |
 */

/** Whose offers a reconciliation is about. */
export type Offerer = 'initiator' | 'responder'

export type Frame =
  | { readonly type: 'busy' }
  | { readonly type: 'reconcile'; readonly offerer: Offerer; readonly message: Uint8Array }
  | { readonly type: 'reports'; readonly envelopes: readonly Uint8Array[] }
  | { readonly type: 'taken'; readonly frames: number }
  | { readonly type: 'end' }

const BUSY = 0
const INITIATOR_OFFERS = 1
const RESPONDER_OFFERS = 2
const REPORTS = 3
const TAKEN = 4
const END = 5
const LENGTH_BYTES = 4

export function encodeFrame(frame: Frame): Uint8Array {
  switch (frame.type) {
    case 'busy':
      return Uint8Array.of(BUSY)
    case 'reconcile':
      return concat(frame.offerer === 'initiator' ? INITIATOR_OFFERS : RESPONDER_OFFERS, [frame.message])
    case 'reports':
      return concat(
        REPORTS,
        frame.envelopes.flatMap((envelope) => [bigEndian(envelope.length), envelope])
      )
    case 'taken':
      return concat(TAKEN, [bigEndian(frame.frames)])
    case 'end':
      return Uint8Array.of(END)
  }
}

/** Null for what no honest friend sends. `maxReports` is how many envelopes a frame may have. */
export function decodeFrame(bytes: Uint8Array, maxReports: number): Frame | null {
  if (bytes.length === 0) return null
  // A Buffer's slices would share its memory, and a report that is kept would keep its whole frame.
  const payload = new Uint8Array(bytes.buffer, bytes.byteOffset + 1, bytes.length - 1)
  switch (bytes[0]!) {
    case BUSY:
      return payload.length === 0 ? { type: 'busy' } : null
    case INITIATOR_OFFERS:
      return { type: 'reconcile', offerer: 'initiator', message: payload }
    case RESPONDER_OFFERS:
      return { type: 'reconcile', offerer: 'responder', message: payload }
    case REPORTS:
      return decodeReports(payload, maxReports)
    case TAKEN: {
      const frames = payload.length === LENGTH_BYTES ? readLength(payload, 0) : 0
      return frames === 0 ? null : { type: 'taken', frames }
    }
    case END:
      return payload.length === 0 ? { type: 'end' } : null
    default:
      return null
  }
}

function decodeReports(payload: Uint8Array, maxReports: number): Frame | null {
  const envelopes: Uint8Array[] = []
  for (let at = 0; at < payload.length;) {
    if (at + LENGTH_BYTES > payload.length || envelopes.length === maxReports) return null
    const start = at + LENGTH_BYTES
    at = start + readLength(payload, at)
    if (at === start || at > payload.length) return null
    envelopes.push(payload.slice(start, at))
  }
  return envelopes.length === 0 ? null : { type: 'reports', envelopes }
}

function concat(type: number, parts: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat([Uint8Array.of(type), ...parts])
}

function bigEndian(value: number): Uint8Array {
  const bytes = new Uint8Array(LENGTH_BYTES)
  new DataView(bytes.buffer).setUint32(0, value)
  return bytes
}

function readLength(bytes: Uint8Array, at: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(at)
}
