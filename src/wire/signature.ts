/**
 * The origin's signature over a report: Ed25519 over a domain, the network's name and the report's bytes. The domain
 * keeps the key's other uses apart, the name keeps a report from being replayed in another network.
 *
 * node:crypto and not `@libp2p/crypto`, which takes more than twice as long to sign (shared/PEERS.md).
 */
import { createPrivateKey, createPublicKey, sign, verify, type KeyObject } from 'node:crypto'
import type { PeerId } from '../core/report.ts'
import { createMemo } from './memo.ts'
import { peerIdToKey } from './peer-id.ts'
import { isOfSmallOrder } from './small-order.ts'

/** Of a seed, of a public key, and of each half of a signature. */
const KEY_BYTES = 32

/** The DER of an Ed25519 private key up to its 32 bytes (RFC 8410 section 7). */
const PKCS8_HEAD = Buffer.from('302e020100300506032b657004220420', 'hex')

/** Public keys kept ready: making one takes a fifth of the time of a verification. */
const publicKeys = createMemo<PeerId, KeyObject>(4096)

/** The 64 bytes of the signature. */
export function signReport(network: string, privateKey: KeyObject, reportBytes: Uint8Array): Uint8Array {
  return new Uint8Array(sign(null, signedBytes(network, reportBytes), privateKey))
}

/** Whether `origin` signed these bytes for this network. */
export function verifyReport(network: string, origin: PeerId, reportBytes: Uint8Array, signature: Uint8Array): boolean {
  return verifyBytes(origin, signedBytes(network, reportBytes), signature)
}

/** The same on another thread. */
export function verifyReportSoon(
  network: string,
  origin: PeerId,
  reportBytes: Uint8Array,
  signature: Uint8Array
): Promise<boolean> {
  if (!isStrict(signature)) return Promise.resolve(false)
  const { promise, resolve, reject } = Promise.withResolvers<boolean>()
  verify(null, signedBytes(network, reportBytes), publicKeyOf(origin), signature, (error, holds) => {
    if (error === null) resolve(holds)
    else reject(error)
  })
  return promise
}

/** Whether `peer` signed these very bytes, which have to begin with a domain of their own. */
export function verifyBytes(peer: PeerId, bytes: Uint8Array, signature: Uint8Array): boolean {
  return isStrict(signature) && verify(null, bytes, publicKeyOf(peer), signature)
}

/**
 * A node's private key from its raw bytes: the seed (32), or the seed and the public key (64), which is how libp2p keeps
 * it. Null if it is neither, or if the public half is not the seed's.
 */
export function privateKeyFromRaw(raw: Uint8Array): KeyObject | null {
  if (raw.length !== KEY_BYTES && raw.length !== 2 * KEY_BYTES) return null
  const key = createPrivateKey({
    key: Buffer.concat([PKCS8_HEAD, raw.subarray(0, KEY_BYTES)]),
    format: 'der',
    type: 'pkcs8'
  })
  if (raw.length === KEY_BYTES) return key
  const publicHalf = Buffer.from(createPublicKey(key).export({ format: 'jwk' }).x!, 'base64url')
  return publicHalf.equals(raw.subarray(KEY_BYTES)) ? key : null
}

function isStrict(signature: Uint8Array): boolean {
  return signature.length === 2 * KEY_BYTES && !isOfSmallOrder(signature.subarray(0, KEY_BYTES))
}

function signedBytes(network: string, reportBytes: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from(`banmesh-report:${network}:`), reportBytes])
}

function publicKeyOf(peer: PeerId): KeyObject {
  const known = publicKeys.get(peer)
  if (known !== undefined) return known
  const x = Buffer.from(peerIdToKey(peer)).toString('base64url')
  const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
  publicKeys.set(peer, key)
  return key
}
