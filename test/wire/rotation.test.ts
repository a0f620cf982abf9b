import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeRotation, encodeRotation, ROTATION_BYTES } from '../../src/wire/rotation.ts'
import { createPeer } from '../support/peers.ts'

const [old, next, mallory] = [createPeer(), createPeer(), createPeer()]
const NOW = 1_790_000_000_000
const rotation = { old: old.id, next: next.id, issuedAt: NOW }
const good = encodeRotation('test', rotation, { old: old.key, next: next.key })

test('a statement of both keys is read as it was made', () => {
  assert.deepEqual(decodeRotation('test', good), { ok: true, value: rotation })
  assert.ok(good.length <= ROTATION_BYTES)
})

test('a statement that one of the keys did not sign, or for another network, is refused', () => {
  const cases: [string, string, Uint8Array][] = [
    ['another network', 'other', good],
    ['not by the old key', 'test', encodeRotation('test', rotation, { old: mallory.key, next: next.key })],
    ['not by the new key', 'test', encodeRotation('test', rotation, { old: old.key, next: mallory.key })],
    [
      'another new key',
      'test',
      encodeRotation('test', { ...rotation, next: mallory.id }, { old: old.key, next: next.key })
    ]
  ]
  for (const [what, network, bytes] of cases) {
    assert.deepEqual(decodeRotation(network, bytes), { ok: false, reason: 'bad-signature' }, what)
  }
})

test('no byte of a statement can be changed, left out or added', () => {
  for (let i = 0; i < good.length; i++) {
    const changed = good.slice()
    changed[i]! ^= 1
    assert.equal(decodeRotation('test', changed).ok, false, `byte ${i}`)
    assert.equal(decodeRotation('test', good.subarray(0, i)).ok, false, `the first ${i}`)
  }
  assert.equal(decodeRotation('test', Buffer.concat([good, Uint8Array.of(0)])).ok, false)
  assert.deepEqual(decodeRotation('test', new Uint8Array(ROTATION_BYTES + 1)), { ok: false, reason: 'oversized' })
  assert.equal(decodeRotation('test', new Uint8Array(ROTATION_BYTES)).ok, false)
})

test('a key can not follow itself', () => {
  const same = encodeRotation('test', { ...rotation, next: old.id }, { old: old.key, next: old.key })
  assert.deepEqual(decodeRotation('test', same), { ok: false, reason: 'malformed' })
})
