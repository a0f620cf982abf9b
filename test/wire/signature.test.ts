import assert from 'node:assert/strict'
import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { generateKeyPair, publicKeyFromRaw } from '@libp2p/crypto/keys'
import * as fc from 'fast-check'
import type { PeerId } from '../../src/core/report.ts'
import { peerIdFromKey, peerIdToKey } from '../../src/wire/peer-id.ts'
import { privateKeyFromRaw, signReport, verifyReport, verifyReportSoon } from '../../src/wire/signature.ts'
import { isOfSmallOrder } from '../../src/wire/small-order.ts'

const SEED = new Uint8Array(32).fill(3)
const key = privateKeyFromRaw(SEED)!

function peerOf(privateKey: typeof key): PeerId {
  const { x } = createPublicKey(privateKey).export({ format: 'jwk' })
  return peerIdFromKey(Buffer.from(x!, 'base64url'))!
}

const origin = peerOf(key)
const bytes = Buffer.from('any bytes: the signature does not look into them')
const signature = signReport('default', key, bytes)

/** What both ways of checking say, which has to be the same. */
async function holds(...check: Parameters<typeof verifyReport>): Promise<boolean> {
  const result = verifyReport(...check)
  assert.equal(await verifyReportSoon(...check), result, 'on this thread and on another')
  return result
}

test('a signature holds for its origin, its network and its bytes', async () => {
  assert.equal(signature.length, 64)
  assert.equal(await holds('default', origin, bytes, signature), true)
})

test('a signature does not hold in another network', async () => {
  for (const network of ['', 'defaul', 'default2', 'Default', 'default:'])
    assert.equal(await holds(network, origin, bytes, signature), false, network)
})

test('a signature does not hold for another origin', async () => {
  const other = peerOf(generateKeyPairSync('ed25519').privateKey)
  assert.equal(await holds('default', other, bytes, signature), false)
})

test('a signature of the bare bytes does not hold: the domain is signed too', async () => {
  const libp2pKey = await generateKeyPair('Ed25519')
  const peer = peerIdFromKey(libp2pKey.publicKey.raw)!
  assert.equal(await holds('default', peer, bytes, await libp2pKey.sign(bytes)), false)
})

test('no flipped bit is overlooked, neither in the report nor in the signature', async () => {
  const flip = (original: Uint8Array, bit: number): Uint8Array => {
    const flipped = Uint8Array.from(original)
    flipped[bit >> 3]! ^= 1 << (bit & 7)
    return flipped
  }
  await fc.assert(
    fc.asyncProperty(fc.nat(bytes.length * 8 - 1), fc.nat(64 * 8 - 1), async (bitOfReport, bitOfSignature) => {
      assert.equal(await holds('default', origin, flip(bytes, bitOfReport), signature), false)
      assert.equal(await holds('default', origin, bytes, flip(signature, bitOfSignature)), false)
    }),
    { numRuns: 100 }
  )
})

test('a signature of another length does not hold', async () => {
  for (const length of [0, 1, 32, 63, 65, 128]) {
    const wrong = new Uint8Array(length)
    wrong.set(signature.subarray(0, length))
    assert.equal(await holds('default', origin, bytes, wrong), false, `${length} bytes`)
  }
})

test('a key that is no point of the curve verifies nothing, and nothing throws', async () => {
  const peer = peerIdFromKey(new Uint8Array(32).fill(2))!
  assert.equal(await holds('default', peer, bytes, signature), false)
})

test('libp2p finds our signatures right and we find its signatures right', async () => {
  const libp2pKey = await generateKeyPair('Ed25519')
  const peer = peerIdFromKey(libp2pKey.publicKey.raw)!
  const signed = Buffer.concat([Buffer.from('banmesh-report:default:'), bytes])
  const ours = signReport('default', privateKeyFromRaw(libp2pKey.raw)!, bytes)
  assert.equal(await publicKeyFromRaw(peerIdToKey(peer)).verify(signed, ours), true)
  assert.equal(await holds('default', peer, bytes, await libp2pKey.sign(signed)), true)
})

test('a private key is read from its seed, or from its seed and public key', () => {
  assert.equal(peerOf(privateKeyFromRaw(Buffer.concat([SEED, peerIdToKey(origin)]))!), origin)
})

test('a private key of another length, or with a public half that is not its own, is refused', () => {
  for (const length of [0, 31, 33, 63, 65, 96]) assert.equal(privateKeyFromRaw(new Uint8Array(length)), null)
  assert.equal(privateKeyFromRaw(Buffer.concat([SEED, new Uint8Array(32).fill(1)])), null)
})

test('the eight points of small order are known in their canonical encoding, and no others', () => {
  const points = [
    '0100000000000000000000000000000000000000000000000000000000000000',
    'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    '0000000000000000000000000000000000000000000000000000000000000000',
    '0000000000000000000000000000000000000000000000000000000000000080',
    '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
    '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85',
    'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
    'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa'
  ]
  for (const point of points) assert.equal(isOfSmallOrder(Buffer.from(point, 'hex')), true, point)
  fc.assert(fc.property(fc.uint8Array({ minLength: 32, maxLength: 32, min: 3 }), (point) => !isOfSmallOrder(point)))
})
