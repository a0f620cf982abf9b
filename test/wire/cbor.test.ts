import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createCborReader, type CborReader } from '../../src/wire/cbor.ts'

const hex = (text: string): Uint8Array => Buffer.from(text.replaceAll(' ', ''), 'hex')

test('items are read one after the other', () => {
  const reader = createCborReader(hex('85 00 1864 1b001fffffffffffff 4203ff 6161'))
  reader.tuple(5)
  assert.deepEqual([reader.uint(), reader.uint(), reader.uint()], [0, 100, Number.MAX_SAFE_INTEGER])
  assert.deepEqual(reader.bytes(), Uint8Array.of(3, 255))
  assert.equal(reader.text(), 'a')
  reader.end()
  assert.equal(reader.refusal(), null)
})

const REFUSED: readonly (readonly [
  what: string,
  bytes: string,
  read: (reader: CborReader) => unknown,
  reason: string
])[] = [
  ['nothing', '', (reader) => reader.uint(), 'not-cbor'],
  ['an integer cut short', '19 01', (reader) => reader.uint(), 'not-cbor'],
  ['a byte string cut short', '42 01', (reader) => reader.bytes(), 'not-cbor'],
  ['a byte string of 2^53 bytes', '5b 0020000000000000 00', (reader) => reader.bytes(), 'not-cbor'],
  ['an integer in two bytes instead of one', '18 17', (reader) => reader.uint(), 'not-cbor'],
  ['an integer in three bytes instead of two', '19 00ff', (reader) => reader.uint(), 'not-cbor'],
  ['an integer in five bytes instead of three', '1a 0000ffff', (reader) => reader.uint(), 'not-cbor'],
  ['an integer in nine bytes instead of five', '1b 00000000ffffffff', (reader) => reader.uint(), 'not-cbor'],
  ['the length of a byte string in two bytes instead of one', '58 01 00', (reader) => reader.bytes(), 'not-cbor'],
  ['the length of a text in two bytes instead of one', '78 01 61', (reader) => reader.text(), 'not-cbor'],
  ['the count of an array in two bytes instead of one', '98 01 00', (reader) => reader.array(), 'not-cbor'],
  ['an array of indefinite length', '9f 00 ff', (reader) => reader.array(), 'not-cbor'],
  ['a byte string of indefinite length', '5f 41 00 ff', (reader) => reader.bytes(), 'not-cbor'],
  ['a text of indefinite length', '7f 61 61 ff', (reader) => reader.text(), 'not-cbor'],
  ['a reserved head', '1c', (reader) => reader.uint(), 'not-cbor'],
  ['something behind the end', '00 00', (reader) => [reader.uint(), reader.end()], 'not-cbor'],
  ['a negative integer', '20', (reader) => reader.uint(), 'bad-shape'],
  ['2^53', '1b 0020000000000000', (reader) => reader.uint(), 'bad-shape'],
  ['a floating-point number', 'f9 3c00', (reader) => reader.uint(), 'bad-shape'],
  ['true', 'f5', (reader) => reader.uint(), 'bad-shape'],
  ['null', 'f6', (reader) => reader.bytes(), 'bad-shape'],
  ['undefined', 'f7', (reader) => reader.bytes(), 'bad-shape'],
  ['a tag', 'c1 00', (reader) => reader.uint(), 'bad-shape'],
  ['a map', 'a0', (reader) => reader.array(), 'bad-shape'],
  ['text for bytes', '61 61', (reader) => reader.bytes(), 'bad-shape'],
  ['bytes for text', '41 61', (reader) => reader.text(), 'bad-shape'],
  ['an array with an item more', '82 00 00', (reader) => reader.tuple(1), 'bad-shape'],
  ['an array with an item less', '80', (reader) => reader.tuple(1), 'bad-shape']
]

for (const [what, bytes, read, reason] of REFUSED) {
  test(`${what} is ${reason}`, () => {
    const reader = createCborReader(hex(bytes))
    read(reader)
    assert.equal(reader.refusal(), reason)
  })
}

test('after a refusal everything is empty and the first reason stays', () => {
  const reader = createCborReader(hex('f6 05 4101 6161 81'))
  assert.equal(reader.uint(), 0)
  assert.deepEqual([reader.uint(), reader.bytes(), reader.text(), reader.array()], [0, new Uint8Array(0), '', 0])
  reader.tuple(7)
  reader.end()
  assert.equal(reader.refusal(), 'bad-shape')
})

test('bytes are copies, also out of a Buffer', () => {
  const message = Buffer.from(hex('43 010203'))
  const bytes = createCborReader(message).bytes()
  message.fill(0)
  assert.deepEqual(bytes, Uint8Array.of(1, 2, 3))
  assert.equal(bytes.buffer.byteLength, 3)
})
