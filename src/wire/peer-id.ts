/**
 * Peer IDs: text in memory (`12D3KooW...`), the raw Ed25519 public key on the wire. Either can be had from the other, so
 * there is no second place in which a report could name a key that is not its peer's.
 */
import { publicKeyFromRaw } from '@libp2p/crypto/keys'
import { peerIdFromPublicKey, peerIdFromString } from '@libp2p/peer-id'
import type { PeerId } from '../core/report.ts'
import { createMemo } from './memo.ts'
import { isOfSmallOrder } from './small-order.ts'

const KEY_BYTES = 32

/** Characters: the longest text form, a CIDv1 in base32. Base58 takes quadratic time, so nothing longer is looked at. */
const PEER_ID_TEXT_LENGTH = 65

/** Peer IDs remembered in each direction: some megabytes at most, against some microseconds for each one. */
const REMEMBERED = 10_000

const textOf = createMemo<string, PeerId>(REMEMBERED)
const keyOf = createMemo<PeerId, Uint8Array>(REMEMBERED)

/** Reads what a person or a program wrote: `12D3KooW...` or the same key as a CIDv1; null for everything else. */
export function parsePeerId(text: string): PeerId | null {
  const parsed = parse(text)
  if (parsed?.type !== 'Ed25519') return null
  const peer = peerIdFromKey(parsed.publicKey.raw)
  // The text holds a protobuf around the key, which can be spelled in several ways.
  return peer === parsed.toString() ? peer : null
}

/** The 32 bytes of the public key, shared between callers: not to be changed. */
export function peerIdToKey(peer: PeerId): Uint8Array {
  const known = keyOf.get(peer)
  if (known !== undefined) return known
  const parsed = parse(peer)
  if (parsed?.type !== 'Ed25519') throw new TypeError('not a peer ID: the brand was put on without parsing')
  keyOf.set(peer, parsed.publicKey.raw)
  return parsed.publicKey.raw
}

/** Null unless it is the canonical encoding, in 32 bytes, of a point that is not of small order. */
export function peerIdFromKey(key: Uint8Array): PeerId | null {
  if (key.length !== KEY_BYTES) return null
  const memoKey = Buffer.from(key.buffer, key.byteOffset, KEY_BYTES).toString('latin1')
  const known = textOf.get(memoKey)
  if (known !== undefined) return known
  if (isNotReduced(key) || isOfSmallOrder(key)) return null
  const copy = new Uint8Array(key)
  const peer = peerIdFromPublicKey(publicKeyFromRaw(copy)).toString() as PeerId
  textOf.set(memoKey, peer)
  keyOf.set(peer, copy)
  return peer
}

function parse(text: string): ReturnType<typeof peerIdFromString> | null {
  if (text.length > PEER_ID_TEXT_LENGTH) return null
  try {
    return peerIdFromString(text)
  } catch {
    return null
  }
}

/** Whether y is 2^255 - 19 or more: a second spelling of a smaller y. */
function isNotReduced(key: Uint8Array): boolean {
  return key[0]! >= 0xed && (key[31]! & 0x7f) === 0x7f && key.subarray(1, 31).every((byte) => byte === 0xff)
}
