import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { decodeFrame, encodeFrame, type Frame } from '../../src/mesh/sync-frames.ts'

const MAX_REPORTS = 5

const anyFrame: fc.Arbitrary<Frame> = fc.oneof(
  fc.constant<Frame>({ type: 'busy' }),
  fc.constant<Frame>({ type: 'end' }),
  fc.integer({ min: 1, max: 0xffffffff }).map((frames): Frame => ({ type: 'taken', frames })),
  fc
    .tuple(fc.constantFrom('initiator' as const, 'responder' as const), fc.uint8Array())
    .map(([offerer, message]): Frame => ({ type: 'reconcile', offerer, message })),
  fc
    .array(fc.uint8Array({ minLength: 1 }), { minLength: 1, maxLength: MAX_REPORTS })
    .map((envelopes): Frame => ({ type: 'reports', envelopes }))
)

test('decoding a frame gives back what was encoded', () => {
  fc.assert(fc.property(anyFrame, (frame) => assert.deepEqual(decode(encodeFrame(frame)), frame)))
})

test('what decodes encodes to the same bytes, whatever the bytes', () => {
  const shortFrame = fc.tuple(fc.nat(6), fc.array(fc.constantFrom(0, 0, 0, 1, 2), { maxLength: 20 }))
  let decodable = 0
  fc.assert(
    fc.property(shortFrame, ([type, payload]) => {
      const frame = decode(Uint8Array.of(type, ...payload))
      if (frame === null) return
      decodable++
      assert.deepEqual([...encodeFrame(frame)], [type, ...payload])
    }),
    { numRuns: 1000 }
  )
  assert.ok(decodable > 100)
})

test('a report does not share memory with its frame', () => {
  const bytes = Buffer.from(encodeFrame({ type: 'reports', envelopes: [Uint8Array.of(7)] }))
  const frame = decode(bytes)
  bytes.fill(0)
  assert.deepEqual(frame, { type: 'reports', envelopes: [Uint8Array.of(7)] })
})

for (const [why, bytes] of [
  ['no type', []],
  ['unknown type', [6]],
  ['busy with a payload', [0, 0]],
  ['end with a payload', [5, 0]],
  ['taken without a number', [4]],
  ['taken of nothing', [4, 0, 0, 0, 0]],
  ['taken with a longer number', [4, 0, 0, 0, 0, 1]],
  ['reports without a report', [3]],
  ['report without its length', [3, 0, 0, 0]],
  ['report of no bytes', [3, 0, 0, 0, 0]],
  ['report cut short', [3, 0, 0, 0, 2, 7]],
  ['report of 4 GiB', [3, 255, 255, 255, 255, 7]]
] as const) {
  test(`a frame is malformed: ${why}`, () => assert.equal(decode(Uint8Array.from(bytes)), null))
}

test('a frame has as many reports as the limit says, and no more', () => {
  const frame = (count: number) =>
    encodeFrame({ type: 'reports', envelopes: Array.from({ length: count }, () => Uint8Array.of(7)) })
  assert.notEqual(decode(frame(MAX_REPORTS)), null)
  assert.equal(decode(frame(MAX_REPORTS + 1)), null)
})

/** With plain arrays, so that they compare. */
function decode(bytes: Uint8Array): Frame | null {
  const frame = decodeFrame(bytes, MAX_REPORTS)
  if (frame?.type === 'reconcile') return { ...frame, message: new Uint8Array(frame.message) }
  return frame
}
