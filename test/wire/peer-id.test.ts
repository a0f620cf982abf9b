import assert from 'node:assert/strict'
import { test } from 'node:test'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey, peerIdFromString } from '@libp2p/peer-id'
import * as fc from 'fast-check'
import { parsePeerId, peerIdFromKey, peerIdToKey } from '../../src/wire/peer-id.ts'
import { bytesOf } from './arbitraries.ts'

const ALICE = '12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5'
const BASE58 = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'
const BASE36 = '0123456789abcdefghijklmnopqrstuvwxyz'

/** Written down here once more, so that the source is not only compared with libp2p, which it uses. */
function digits(bytes: Uint8Array, alphabet: string): string {
  let number = BigInt(`0x${Buffer.from(bytes).toString('hex')}`)
  let text = ''
  for (const base = BigInt(alphabet.length); number > 0n; number /= base) text = alphabet[Number(number % base)] + text
  return alphabet[0]!.repeat(bytes.findIndex((byte) => byte !== 0)) + text
}

const base58 = (bytes: Uint8Array): string => digits(bytes, BASE58)

const MULTIHASH_HEAD = Uint8Array.from([0x00, 36, 0x08, 0x01, 0x12, 32])

test('a peer ID is the base58 of a fixed head and the public key', () => {
  fc.assert(
    fc.property(bytesOf(32), (key) => {
      const peer = peerIdFromKey(key)
      fc.pre(peer !== null)
      assert.equal(peer, base58(Uint8Array.from([...MULTIHASH_HEAD, ...key])))
      assert.deepEqual(peerIdToKey(peer), key)
      assert.equal(parsePeerId(peer), peer)
    }),
    { numRuns: 200 }
  )
})

test('libp2p gives the same text and the same key', async () => {
  const privateKey = await generateKeyPair('Ed25519')
  const theirs = peerIdFromPrivateKey(privateKey)
  const ours = parsePeerId(theirs.toString())
  assert.equal(ours, theirs.toString())
  assert.deepEqual(peerIdToKey(ours), privateKey.publicKey.raw)
})

test('a CIDv1 in base32 or base36 is taken for the peer ID that it stands for', () => {
  const cid = peerIdFromString(ALICE).toCID()
  assert.equal(cid.toString().length, 65, 'the longest text that is looked at')
  assert.equal(parsePeerId(cid.toString()), ALICE)
  assert.equal(parsePeerId(`k${digits(cid.bytes, BASE36)}`), ALICE)
})

const key = peerIdToKey(parsePeerId(ALICE)!)
const otherProtobuf = Uint8Array.from([0x00, 36, 0x12, 32, ...key, 0x08, 0x01])
const longVarint = Uint8Array.from([0x00, 37, 0x08, 0x81, 0x00, 0x12, 32, ...key])

test('what is no Ed25519 peer ID in its one spelling is refused', () => {
  const refused: Record<string, string> = {
    'an empty text': '',
    'a host name': 'example.net',
    'one character less': ALICE.slice(0, -1),
    'one character more': `${ALICE}1`,
    'a leading blank': ` ${ALICE}`,
    'a line break at the end': `${ALICE}\n`,
    'a letter that base58 does not have': ALICE.replace('W', '0'),
    'a multiaddr': `/p2p/${ALICE}`,
    'one more leading zero': `1${ALICE}`,
    'the fields of the protobuf in the other order': base58(otherProtobuf),
    'a field of the protobuf in two bytes': base58(longVarint),
    'an RSA peer ID': 'QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N',
    'a secp256k1 peer ID': '16Uiu2HAmJmkMCZ8SE2FoqoRoRuRs7hQEYnG96Hm8XyXhJGZo3jAB',
    'a public key that is too short': base58(Uint8Array.from([0x00, 35, 0x08, 0x01, 0x12, 31, ...key.subarray(1)])),
    'a text that would take minutes': `1${'z'.repeat(1_000_000)}`
  }
  for (const [what, text] of Object.entries(refused)) assert.equal(parsePeerId(text), null, what)
})

test('a key is 32 bytes', () => {
  for (const length of [0, 31, 33, 64]) assert.equal(peerIdFromKey(new Uint8Array(length).fill(7)), null)
  assert.notEqual(peerIdFromKey(new Uint8Array(32).fill(7)), null)
})

/** Canonical and other encodings; the second column is what the top bit of the last byte leaves of it. */
const SMALL_ORDER_AND_NOT_REDUCED = [
  ['0000000000000000000000000000000000000000000000000000000000000000', 'order 4'],
  ['0100000000000000000000000000000000000000000000000000000000000000', 'order 1'],
  ['26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05', 'order 8'],
  ['c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a', 'order 8'],
  ['ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f', 'order 2'],
  ['edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f', 'p, which is 0 again'],
  ['eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f', 'p + 1'],
  ['f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f', 'p + 3: of large order, but a second spelling'],
  ['ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f', '2^255 - 1']
] as const

for (const [hex, what] of SMALL_ORDER_AND_NOT_REDUCED) {
  test(`no peer has the public key ${hex.slice(0, 4)}...${hex.slice(-2)} (${what}), with either sign`, () => {
    for (const sign of [0, 0x80]) {
      const point = Buffer.from(hex, 'hex')
      point[31]! |= sign
      assert.equal(peerIdFromKey(point), null)
      assert.equal(parsePeerId(base58(Uint8Array.from([...MULTIHASH_HEAD, ...point]))), null)
    }
  })
}

test('the neighbours of the refused keys are not refused', () => {
  for (const hex of [
    '0200000000000000000000000000000000000000000000000000000000000000',
    'ebffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7e',
    'edfffffffffffffffffffffffffffffffffffffffffffffffffffffffffeff7f'
  ])
    assert.notEqual(peerIdFromKey(Buffer.from(hex, 'hex')), null, hex)
})

test('the key that is remembered does not change with the bytes that it came in', () => {
  const message = new Uint8Array(32).fill(9)
  const peer = peerIdFromKey(message)!
  message.fill(8)
  assert.deepEqual(peerIdToKey(peer), new Uint8Array(32).fill(9))
})

test('a peer ID keeps its key when more peers have passed than are remembered', () => {
  const peer = parsePeerId(ALICE)!
  const before = Buffer.from(peerIdToKey(peer))
  const other = Buffer.alloc(32, 5)
  for (let i = 0; i <= 10_000; i++) {
    other.writeUInt32LE(i, 8)
    peerIdFromKey(other)
  }
  assert.deepEqual(Buffer.from(peerIdToKey(peer)), before)
})

test('a text that was branded without parsing is a bug and throws', () => {
  assert.throws(() => peerIdToKey('mallory' as never), /not a peer ID/)
})
