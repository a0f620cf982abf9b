import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import type { ReportId } from '../../src/core/report.ts'
import { offerKey } from '../../src/wire/offer-key.ts'
import { peerIdToKey } from '../../src/wire/peer-id.ts'
import { createPeer } from '../support/peers.ts'

const ID = 'ab'.repeat(32) as ReportId
const bob = createPeer().id
const carol = createPeer().id

test('the key is what PROTOCOL.md says, byte for byte', () => {
  const hops = [
    { peer: bob, trust: 800_000 },
    { peer: carol, trust: 0x01020304 }
  ]
  const bytes = Buffer.concat([
    Buffer.from(ID, 'hex'),
    peerIdToKey(bob),
    Buffer.from([0x00, 0x0c, 0x35, 0x00]),
    peerIdToKey(carol),
    Buffer.from([1, 2, 3, 4])
  ])
  assert.deepEqual(Buffer.from(offerKey(ID, hops)), createHash('sha256').update(bytes).digest().subarray(0, 16))
})

test('another report, peer, trust or order of hops is another key', () => {
  const hop = { peer: bob, trust: 800_000 }
  const other = { peer: carol, trust: 800_000 }
  const keys = [
    offerKey(ID, []),
    offerKey('cd'.repeat(32) as ReportId, []),
    offerKey(ID, [hop]),
    offerKey(ID, [{ ...hop, trust: 800_001 }]),
    offerKey(ID, [other]),
    offerKey(ID, [hop, other]),
    offerKey(ID, [other, hop])
  ].map((key) => Buffer.from(key).toString('hex'))
  assert.equal(new Set(keys).size, keys.length)
})
