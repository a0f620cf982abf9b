/**
 * Envelopes and reports to bytes and back. `PROTOCOL.md` beside this file is the specification.
 *
 * Decoding reads from front to back and refuses at the first thing that does not fit. All arrays of bytes that come out
 * are copies with a buffer of their own: a report is kept for as long as its bans live, and must neither hold on to the
 * 128 KiB message that it came in nor change, after its signature was checked, with a buffer that the network reuses.
 */
import { hash } from 'node:crypto'
import { encode } from 'cborg'
import { cidrToBytes } from '../core/cidr.ts'
import { JAIL_NAME, PROTOCOL_LIMITS } from '../core/limits.ts'
import { ONE, type Claim, type Hop, type PeerId, type Report, type ReportId } from '../core/report.ts'
import { ok, refuse, type Result } from '../core/result.ts'
import { subjectFromBytes, type SubjectRefusal } from '../core/subject.ts'
import { createCborReader, type CborReader, type CborRefusal } from './cbor.ts'
import { peerIdFromKey, peerIdToKey } from './peer-id.ts'

const VERSION = 1
const SIGNATURE_BYTES = 64
const KINDS = ['ban', 'unban'] as const

export type DecodeRefusal =
  | CborRefusal
  | SubjectRefusal
  | 'oversized'
  | 'bad-signature-length'
  | 'too-many-hops'
  | 'bad-peer'
  | 'bad-trust'
  | 'unknown-version'
  | 'no-claims'
  | 'too-many-claims'
  | 'bad-kind'
  | 'bad-until'
  | 'bad-jail'
  | 'bad-failures'
  | 'duplicate-claim'
  | 'not-canonical'

export interface Envelope {
  /** What the origin signed, verbatim. */
  readonly reportBytes: Uint8Array
  /** The origin's signature, 64 bytes; see `signature.ts`. */
  readonly signature: Uint8Array
  /** In the order of travel, without the reader. */
  readonly hops: readonly Hop[]
}

export interface DecodedEnvelope extends Envelope {
  readonly reportId: ReportId
}

export function reportIdOf(reportBytes: Uint8Array): ReportId {
  return hash('sha256', reportBytes, 'hex') as ReportId
}

export function encodeEnvelope({ reportBytes, signature, hops }: Envelope): Uint8Array {
  return encodeOwned([reportBytes, signature, hops.map((hop) => [peerIdToKey(hop.peer), hop.trust])])
}

/** The limits are the caller's to keep: the report of a wrong caller is refused by everyone's `decodeReport`. */
export function encodeReport({ origin, issuedAt, claims }: Report): Uint8Array {
  return encodeOwned([VERSION, peerIdToKey(origin), issuedAt, claims.map(claimItems)])
}

function claimItems({ kind, subject, until, jail, failures }: Claim): unknown[] {
  const { address, prefix } = cidrToBytes(subject)
  return [KINDS.indexOf(kind), address, prefix, until, jail, failures]
}

/** cborg gives a view of Node's pool of buffers, sometimes as a Buffer, whose `slice` would be a view as well. */
function encodeOwned(items: unknown[]): Uint8Array {
  return new Uint8Array(encode(items))
}

/**
 * Leaves the report itself undecoded: of a known report only the id is of interest. Of the envelope's items each has just
 * one deterministic encoding, so there is nothing to compare here.
 */
export function decodeEnvelope(bytes: Uint8Array): Result<DecodedEnvelope, DecodeRefusal> {
  if (bytes.length > PROTOCOL_LIMITS.envelopeBytes) return refuse('oversized')
  const reader = createCborReader(bytes)
  reader.tuple(3)
  const reportBytes = reader.bytes()
  const signature = reader.bytes()
  const hops = decodeHops(reader, signature)
  if (!hops.ok) return hops
  reader.end()
  const refusal = reader.refusal()
  if (refusal !== null) return refuse(refusal)
  return ok({ reportId: reportIdOf(reportBytes), reportBytes, signature, hops: hops.value })
}

function decodeHops(reader: CborReader, signature: Uint8Array): Result<Hop[], DecodeRefusal> {
  const count = reader.array()
  const refusal = reader.refusal()
  if (refusal !== null) return refuse(refusal)
  if (signature.length !== SIGNATURE_BYTES) return refuse('bad-signature-length')
  if (count > PROTOCOL_LIMITS.hops) return refuse('too-many-hops')
  const hops: Hop[] = []
  for (let i = 0; i < count; i++) {
    const hop = decodeHop(reader)
    if (!hop.ok) return hop
    hops.push(hop.value)
  }
  return ok(hops)
}

function decodeHop(reader: CborReader): Result<Hop, DecodeRefusal> {
  reader.tuple(2)
  const key = reader.bytes()
  const trust = reader.uint()
  const refusal = reader.refusal()
  if (refusal !== null) return refuse(refusal)
  const peer = peerIdFromKey(key)
  if (peer === null) return refuse('bad-peer')
  return trust > ONE ? refuse('bad-trust') : ok({ peer, trust })
}

/** Of a report that is not known yet, before its signature is checked: it names the key to check with. */
export function decodeReport(reportBytes: Uint8Array): Result<Report, DecodeRefusal> {
  if (reportBytes.length > PROTOCOL_LIMITS.envelopeBytes) return refuse('oversized')
  const reader = createCborReader(reportBytes)
  const head = decodeHead(reader)
  if (!head.ok) return head
  const { origin, issuedAt } = head.value
  const claims = decodeClaims(reader, issuedAt)
  if (!claims.ok) return claims
  reader.end()
  const refusal = reader.refusal()
  if (refusal !== null) return refuse(refusal)
  const report: Report = { origin, issuedAt, claims: claims.value }
  // Subjects (host bits, v4-mapped) and text can be spelled in more than one way; only one is welcome.
  return Buffer.compare(encodeReport(report), reportBytes) === 0 ? ok(report) : refuse('not-canonical')
}

function decodeHead(reader: CborReader): Result<{ origin: PeerId; issuedAt: number }, DecodeRefusal> {
  const items = reader.array()
  const version = reader.uint()
  let refusal = reader.refusal()
  if (refusal !== null) return refuse(refusal)
  // Before everything else that a later version may have changed.
  if (version !== VERSION) return refuse('unknown-version')
  if (items !== 4) return refuse('bad-shape')
  const key = reader.bytes()
  const issuedAt = reader.uint()
  refusal = reader.refusal()
  if (refusal !== null) return refuse(refusal)
  const origin = peerIdFromKey(key)
  return origin === null ? refuse('bad-peer') : ok({ origin, issuedAt })
}

function decodeClaims(reader: CborReader, issuedAt: number): Result<Claim[], DecodeRefusal> {
  const count = reader.array()
  const refusal = reader.refusal()
  if (refusal !== null) return refuse(refusal)
  if (count === 0) return refuse('no-claims')
  if (count > PROTOCOL_LIMITS.claims) return refuse('too-many-claims')
  const latestUntil = Math.floor(issuedAt / 1000) + PROTOCOL_LIMITS.ttlSeconds
  const claims: Claim[] = []
  const registers = new Set<string>()
  for (let i = 0; i < count; i++) {
    const claim = decodeClaim(reader, latestUntil)
    if (!claim.ok) return claim
    claims.push(claim.value)
    // Neither part can have a space in it.
    registers.add(`${claim.value.subject} ${claim.value.jail}`)
    if (registers.size < claims.length) return refuse('duplicate-claim')
  }
  return ok(claims)
}

function decodeClaim(reader: CborReader, latestUntil: number): Result<Claim, DecodeRefusal> {
  reader.tuple(6)
  const kind = KINDS[reader.uint()]
  const address = reader.bytes()
  const prefix = reader.uint()
  const until = reader.uint()
  const jail = reader.text()
  const failures = reader.uint()
  const refusal = reader.refusal()
  if (refusal !== null) return refuse(refusal)
  if (kind === undefined) return refuse('bad-kind')
  const subject = subjectFromBytes({ address, prefix })
  if (!subject.ok) return subject
  if (until > latestUntil) return refuse('bad-until')
  if (!JAIL_NAME.test(jail)) return refuse('bad-jail')
  if (failures > PROTOCOL_LIMITS.failures) return refuse('bad-failures')
  return ok({ kind, subject: subject.value, until, jail, failures })
}
