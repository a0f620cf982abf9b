/**
 * A node's new identity: "whoever knew me by the old key, know me by the new one". Signed by both keys, so that neither can
 * be claimed by somebody else, for one network. It speaks for its two keys only and is taken from their own node only.
 */
import { Buffer } from 'node:buffer'
import { sign, type KeyObject } from 'node:crypto'
import { encode } from 'cborg'
import type { PeerId } from '../core/report.ts'
import { ok, refuse, type Result } from '../core/result.ts'
import { createCborReader } from './cbor.ts'
import { peerIdFromKey, peerIdToKey } from './peer-id.ts'
import { verifyBytes } from './signature.ts'

const VERSION = 1

/** Bytes of a statement: 2 keys, 2 signatures, a time. */
export const ROTATION_BYTES = 256

export interface Rotation {
  readonly old: PeerId
  readonly next: PeerId
  /** Unix ms. */
  readonly issuedAt: number
}

export type RotationRefusal = 'oversized' | 'malformed' | 'bad-signature'

export function encodeRotation(
  network: string,
  rotation: Rotation,
  keys: { readonly old: KeyObject; readonly next: KeyObject }
): Uint8Array {
  const { old, next, issuedAt } = rotation
  const signed = signedBytes(network, rotation)
  const signatures = [sign(null, signed, keys.old), sign(null, signed, keys.next)].map((bytes) => new Uint8Array(bytes))
  return encode([VERSION, peerIdToKey(old), peerIdToKey(next), issuedAt, ...signatures])
}

/** What comes out is signed by both keys, for this network. Whether it is fresh and wanted is not looked at. */
export function decodeRotation(network: string, bytes: Uint8Array): Result<Rotation, RotationRefusal> {
  if (bytes.length > ROTATION_BYTES) return refuse('oversized')
  const reader = createCborReader(bytes)
  reader.tuple(6)
  const version = reader.uint()
  const old = peerIdFromKey(reader.bytes())
  const next = peerIdFromKey(reader.bytes())
  const issuedAt = reader.uint()
  const signatures = [reader.bytes(), reader.bytes()] as const
  reader.end()
  if (reader.refusal() !== null || version !== VERSION || old === null || next === null || old === next) {
    return refuse('malformed')
  }
  const rotation = { old, next, issuedAt }
  const signed = signedBytes(network, rotation)
  const isSigned = verifyBytes(old, signed, signatures[0]) && verifyBytes(next, signed, signatures[1])
  return isSigned ? ok(rotation) : refuse('bad-signature')
}

function signedBytes(network: string, { old, next, issuedAt }: Rotation): Uint8Array {
  const statement = encode([VERSION, peerIdToKey(old), peerIdToKey(next), issuedAt])
  return Buffer.concat([Buffer.from(`banmesh-rotation:${network}:`), statement])
}
