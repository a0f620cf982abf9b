import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { encode } from 'cborg'
import * as fc from 'fast-check'
import { PROTOCOL_LIMITS } from '../../src/core/limits.ts'
import { ONE } from '../../src/core/report.ts'
import {
  decodeEnvelope,
  decodeReport,
  encodeEnvelope,
  encodeReport,
  reportIdOf,
  type DecodeRefusal
} from '../../src/wire/codec.ts'
import { peerIdFromKey } from '../../src/wire/peer-id.ts'
import { damaged, envelopes, reports } from './arbitraries.ts'

const key = (seed: number): Uint8Array => new Uint8Array(32).fill(seed)
const ISSUED_AT = 1_795_197_600_000
const UNTIL = 1_795_201_200

type Items = readonly unknown[]
const CLAIM: Items = [0, Uint8Array.of(203, 0, 113, 7), 32, UNTIL, 'sshd', 5]
const claim = (index: number, item: unknown): Items => CLAIM.with(index, item)
const v6 = (groups: string, prefix: number): Items => [0, Buffer.from(groups, 'hex'), prefix, UNTIL, 'sshd', 5]
const report = (...claims: Items[]): Items => [1, key(1), ISSUED_AT, claims]
const manyClaims = (count: number): Items[] =>
  Array.from({ length: count }, (_, i) => claim(1, Uint8Array.of(198, 51, i >> 8, i & 255)))

const REPORT = encode(report(CLAIM))
const SIGNATURE = new Uint8Array(64).fill(2)
const envelope = (hops: Items): Items => [REPORT, SIGNATURE, hops]
const manyHops = (count: number): Items => Array.from({ length: count }, (_, i) => [key(i + 1), ONE])

function reasonOf(result: { ok: true } | { ok: false; reason: DecodeRefusal }): DecodeRefusal | null {
  return result.ok ? null : result.reason
}

test('decoding an encoded report gives the report', () => {
  fc.assert(
    fc.property(reports, (original) => {
      assert.deepEqual(decodeReport(encodeReport(original)), { ok: true, value: original })
    }),
    { numRuns: 200 }
  )
})

test('decoding an encoded envelope gives the envelope, and the id is the sha256 of the report', () => {
  fc.assert(
    fc.property(envelopes, (original) => {
      const reportId = createHash('sha256').update(original.reportBytes).digest('hex')
      assert.deepEqual(decodeEnvelope(encodeEnvelope(original)), { ok: true, value: { reportId, ...original } })
      assert.equal(reportIdOf(original.reportBytes), reportId)
    }),
    { numRuns: 200 }
  )
})

function decodesToItselfOrNotAtAll(bytes: Uint8Array): void {
  const outer = decodeEnvelope(bytes)
  if (outer.ok) assert.deepEqual(encodeEnvelope(outer.value), new Uint8Array(bytes))
  for (const reportBytes of outer.ok ? [bytes, outer.value.reportBytes] : [bytes]) {
    const inner = decodeReport(reportBytes)
    if (inner.ok) assert.deepEqual(encodeReport(inner.value), new Uint8Array(reportBytes))
  }
}

test('a damaged envelope is refused or encodes to the same bytes again', () => {
  fc.assert(fc.property(damaged(envelopes.map(encodeEnvelope)), decodesToItselfOrNotAtAll), { numRuns: 300 })
})

test('a damaged report is refused or encodes to the same bytes again', () => {
  fc.assert(fc.property(damaged(reports.map(encodeReport)), decodesToItselfOrNotAtAll), { numRuns: 300 })
})

test('arbitrary bytes are refused', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      assert.equal(decodeEnvelope(bytes).ok, false)
      assert.equal(decodeReport(bytes).ok, false)
    }),
    { numRuns: 300 }
  )
})

test('whatever has the right shape is refused or encodes to the same bytes again', () => {
  const anyAddress = fc.oneof(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.uint8Array({ maxLength: 16 }))
  const anyClaim = fc.tuple(fc.nat(2), anyAddress, fc.nat(129), fc.constant(UNTIL), fc.string(), fc.nat(9))
  let accepted = 0
  fc.assert(
    fc.property(anyClaim, (items) => {
      const bytes = encode(report(items))
      decodesToItselfOrNotAtAll(bytes)
      if (decodeReport(bytes).ok) accepted++
    }),
    { numRuns: 300 }
  )
  assert.ok(accepted < 300)
})

const REFUSED_REPORTS: readonly (readonly [what: string, items: unknown, reason: DecodeRefusal])[] = [
  ['a map', { version: 1 }, 'bad-shape'],
  ['an empty array', [], 'not-cbor'],
  ['a later version, of whatever shape', [2, 'anything'], 'unknown-version'],
  ['version 0', [0, key(1), ISSUED_AT, [CLAIM]], 'unknown-version'],
  ['a fifth item', [...report(CLAIM), 0], 'bad-shape'],
  ['an origin as text', [1, '12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5', ISSUED_AT, [CLAIM]], 'bad-shape'],
  ['an origin of 31 bytes', [1, key(1).subarray(1), ISSUED_AT, [CLAIM]], 'bad-peer'],
  ['an origin of 33 bytes', [1, new Uint8Array(33).fill(1), ISSUED_AT, [CLAIM]], 'bad-peer'],
  ['an origin of small order', [1, key(0), ISSUED_AT, [CLAIM]], 'bad-peer'],
  ['issuedAt as text', [1, key(1), '2026', [CLAIM]], 'bad-shape'],
  ['a negative issuedAt', [1, key(1), -1, [CLAIM]], 'bad-shape'],
  ['an issuedAt with a fraction', [1, key(1), 0.5, [CLAIM]], 'bad-shape'],
  ['an issuedAt of 2^53', [1, key(1), 2n ** 53n, [CLAIM]], 'bad-shape'],
  ['no claims', report(), 'no-claims'],
  ['claims that are no array', [1, key(1), ISSUED_AT, CLAIM[1]], 'bad-shape'],
  ['a claim without failures', report(CLAIM.slice(0, 5)), 'bad-shape'],
  ['a claim with a seventh item', report([...CLAIM, 'user name']), 'bad-shape'],
  ['a third kind', report(claim(0, 2)), 'bad-kind'],
  ['a kind as text', report(claim(0, 'ban')), 'bad-shape'],
  ['a kind that is a property of every array', report(claim(0, 'length')), 'bad-shape'],
  ['an address of 5 bytes', report(claim(1, new Uint8Array(5))), 'junk-subject'],
  ['an address of no bytes', report(claim(1, new Uint8Array(0))), 'junk-subject'],
  ['an address as text', report(claim(1, '203.0.113.7')), 'bad-shape'],
  ['a prefix longer than the IPv4 address', report(claim(2, 33)), 'junk-subject'],
  ['a prefix longer than the IPv6 address', report(v6('20010db8000000000000000000000001', 129)), 'junk-subject'],
  ['a set host bit in IPv4', report(claim(2, 31)), 'not-canonical'],
  ['a set host bit in IPv6', report(v6('20010db8000000000000000000000001', 64)), 'not-canonical'],
  ['a v4-mapped address', report(v6('00000000000000000000ffffcb007107', 128)), 'not-canonical'],
  ['a v4-mapped CIDR', report(v6('00000000000000000000ffffcb007100', 120)), 'not-canonical'],
  ['a v4-mapped CIDR that is too wide', report(v6('00000000000000000000ffffcb007100', 119)), 'over-wide'],
  ['0.0.0.0/0', report(claim(1, new Uint8Array(4)).with(2, 0)), 'over-wide'],
  ['::/0', report(v6('00'.repeat(16), 0)), 'over-wide'],
  ['an until as text', report(claim(3, '2026')), 'bad-shape'],
  ['an until with a fraction', report(claim(3, UNTIL + 0.5)), 'bad-shape'],
  ['an until of 2^53 - 1', report(claim(3, Number.MAX_SAFE_INTEGER)), 'bad-until'],
  ['an empty jail', report(claim(4, '')), 'bad-jail'],
  ['a jail with a blank', report(claim(4, 'ssh d')), 'bad-jail'],
  ['a jail with a line break', report(claim(4, 'sshd\n')), 'bad-jail'],
  ['a jail with an umlaut', report(claim(4, 'sshü')), 'bad-jail'],
  ['a jail for the shell', report(claim(4, '$(reboot)')), 'bad-jail'],
  ['a jail as bytes', report(claim(4, Buffer.from('sshd'))), 'bad-shape'],
  ['a negative number of failures', report(claim(5, -1)), 'bad-shape'],
  ['the same claim twice', report(CLAIM, CLAIM), 'duplicate-claim'],
  ['two words about one register', report(CLAIM, claim(0, 1)), 'duplicate-claim']
]

for (const [what, items, reason] of REFUSED_REPORTS) {
  test(`a report with ${what} is refused: ${reason}`, () => {
    assert.equal(reasonOf(decodeReport(encode(items))), reason)
  })
}

const REFUSED_ENVELOPES: readonly (readonly [what: string, items: unknown, reason: DecodeRefusal])[] = [
  ['a report that is not wrapped in bytes', [report(CLAIM), SIGNATURE, []], 'bad-shape'],
  ['no hops', [REPORT, SIGNATURE], 'bad-shape'],
  ['a fourth item', [...envelope([]), 0], 'bad-shape'],
  ['a signature of 63 bytes', [REPORT, SIGNATURE.subarray(1), []], 'bad-signature-length'],
  ['a signature of 65 bytes', [REPORT, new Uint8Array(65), []], 'bad-signature-length'],
  ['no signature', [REPORT, new Uint8Array(0), []], 'bad-signature-length'],
  ['hops that are no array', [REPORT, SIGNATURE, 0], 'bad-shape'],
  ['a hop without trust', envelope([[key(1)]]), 'bad-shape'],
  ['a hop with a third item', envelope([[key(1), ONE, ONE]]), 'bad-shape'],
  ['a hop of 31 bytes', envelope([[key(1).subarray(1), ONE]]), 'bad-peer'],
  ['a hop of small order', envelope([[key(0), ONE]]), 'bad-peer'],
  ['a negative trust', envelope([[key(1), -1]]), 'bad-shape'],
  ['a trust with a fraction', envelope([[key(1), 0.8]]), 'bad-shape']
]

for (const [what, items, reason] of REFUSED_ENVELOPES) {
  test(`an envelope with ${what} is refused: ${reason}`, () => {
    assert.equal(reasonOf(decodeEnvelope(encode(items))), reason)
  })
}

/** Each limit: what is just allowed, and what is just not. */
const LIMITS: readonly (readonly [limit: string, at: Items, above: Items, reason: DecodeRefusal])[] = [
  [
    'claims',
    report(...manyClaims(PROTOCOL_LIMITS.claims)),
    report(...manyClaims(PROTOCOL_LIMITS.claims + 1)),
    'too-many-claims'
  ],
  ['jailLength', report(claim(4, 'j'.repeat(64))), report(claim(4, 'j'.repeat(65))), 'bad-jail'],
  [
    'minPrefixV4',
    report(claim(1, Uint8Array.of(10, 0, 0, 0)).with(2, 24)),
    report(claim(1, Uint8Array.of(10, 0, 0, 0)).with(2, 23)),
    'over-wide'
  ],
  [
    'minPrefixV6',
    report(v6('20010db8000000000000000000000000', 48)),
    report(v6('20010db8000000000000000000000000', 47)),
    'over-wide'
  ],
  [
    'failures',
    report(claim(5, PROTOCOL_LIMITS.failures)),
    report(claim(5, PROTOCOL_LIMITS.failures + 1)),
    'bad-failures'
  ],
  [
    'ttlSeconds',
    report(claim(3, ISSUED_AT / 1000 + PROTOCOL_LIMITS.ttlSeconds)),
    report(claim(3, ISSUED_AT / 1000 + PROTOCOL_LIMITS.ttlSeconds + 1)),
    'bad-until'
  ]
]

for (const [limit, at, above, reason] of LIMITS) {
  test(`${limit}: a report at the limit is taken, one above it is refused: ${reason}`, () => {
    assert.equal(reasonOf(decodeReport(encode(at))), null)
    assert.equal(reasonOf(decodeReport(encode(above))), reason)
  })
}

test('the second in which a report was issued counts as begun for the longest until', () => {
  const items = report(claim(3, ISSUED_AT / 1000 + PROTOCOL_LIMITS.ttlSeconds))
  assert.equal(reasonOf(decodeReport(encode(items.with(2, ISSUED_AT + 999)))), null)
  assert.equal(reasonOf(decodeReport(encode(items.with(2, ISSUED_AT - 1)))), 'bad-until')
})

test('one report may speak about one subject for several jails, and in one jail about several subjects', () => {
  const claims = [CLAIM, claim(4, 'recidive'), claim(1, Uint8Array.of(203, 0, 113, 8))]
  assert.equal(reasonOf(decodeReport(encode(report(...claims)))), null)
})

test('hops: an envelope at the limit is taken, one above it is refused', () => {
  assert.equal(reasonOf(decodeEnvelope(encode(envelope(manyHops(PROTOCOL_LIMITS.hops))))), null)
  assert.equal(reasonOf(decodeEnvelope(encode(envelope(manyHops(PROTOCOL_LIMITS.hops + 1))))), 'too-many-hops')
})

test('trust: all of it is taken, a millionth more is refused', () => {
  assert.equal(reasonOf(decodeEnvelope(encode(envelope([[key(1), ONE]])))), null)
  assert.equal(reasonOf(decodeEnvelope(encode(envelope([[key(1), ONE + 1]])))), 'bad-trust')
})

test('envelopeBytes: an envelope at the limit is taken, one above it is refused', () => {
  const overhead = encode([new Uint8Array(PROTOCOL_LIMITS.envelopeBytes / 2 + 1), SIGNATURE, []]).length
  const room = PROTOCOL_LIMITS.envelopeBytes - overhead + PROTOCOL_LIMITS.envelopeBytes / 2 + 1
  const at = encode([new Uint8Array(room), SIGNATURE, []])
  assert.equal(at.length, PROTOCOL_LIMITS.envelopeBytes)
  assert.equal(reasonOf(decodeEnvelope(at)), null)
  assert.equal(reasonOf(decodeEnvelope(encode([new Uint8Array(room + 1), SIGNATURE, []]))), 'oversized')
})

test('envelopeBytes: nothing larger is looked at as a report', () => {
  assert.equal(reasonOf(decodeReport(new Uint8Array(PROTOCOL_LIMITS.envelopeBytes))), 'bad-shape')
  assert.equal(reasonOf(decodeReport(new Uint8Array(PROTOCOL_LIMITS.envelopeBytes + 1))), 'oversized')
})

test('the largest report fits into an envelope with as many hops as there may be', () => {
  const claims = Array.from({ length: PROTOCOL_LIMITS.claims }, (_, i) => {
    const address = Buffer.alloc(16, 0x2a)
    address.writeUInt32BE(i, 12)
    return [1, address, 128, 2 ** 33, 'j'.repeat(PROTOCOL_LIMITS.jailLength), PROTOCOL_LIMITS.failures]
  })
  const reportBytes = encode([1, key(1), 2 ** 33 * 1000, claims])
  assert.equal(reasonOf(decodeReport(reportBytes)), null)
  assert.equal(reasonOf(decodeEnvelope(encode([reportBytes, SIGNATURE, manyHops(PROTOCOL_LIMITS.hops)]))), null)
})

test('text that is decoded to something shorter is refused', () => {
  // The byte order mark in front of "sshd" is dropped by every common decoder of UTF-8.
  const bytes = Buffer.from(encode(report(claim(4, 'xxxsshd'))))
  bytes.set([0xef, 0xbb, 0xbf], bytes.indexOf('xxx'))
  assert.equal(reasonOf(decodeReport(bytes)), 'not-canonical')
  bytes.set([0xff, 0xff, 0xff], bytes.indexOf('sshd') - 3)
  assert.equal(reasonOf(decodeReport(bytes)), 'bad-jail')
})

test('deep nesting and huge counts are refused at the first item that does not fit', () => {
  assert.equal(reasonOf(decodeEnvelope(new Uint8Array(PROTOCOL_LIMITS.envelopeBytes).fill(0x81))), 'bad-shape')
  assert.equal(reasonOf(decodeReport(Buffer.from('9b001fffffffffffff01', 'hex'))), 'bad-shape')
  const endless = Buffer.from(`84015820${'01'.repeat(32)}009b001fffffffffffff`, 'hex')
  assert.equal(reasonOf(decodeReport(endless)), 'too-many-claims')
})

test('something behind an envelope or a report is refused', () => {
  assert.equal(reasonOf(decodeEnvelope(Buffer.concat([encode(envelope([])), Buffer.from([0])]))), 'not-cbor')
  assert.equal(reasonOf(decodeReport(Buffer.concat([REPORT, Buffer.from([0])]))), 'not-cbor')
})

test('every prefix of an envelope and of a report is refused', () => {
  const whole = encode(envelope([[key(1), ONE]]))
  for (let length = 0; length < whole.length; length++)
    assert.equal(decodeEnvelope(whole.subarray(0, length)).ok, false, `envelope cut after ${length} bytes`)
  for (let length = 0; length < REPORT.length; length++)
    assert.equal(decodeReport(REPORT.subarray(0, length)).ok, false, `report cut after ${length} bytes`)
})

test('what comes out has buffers of its own, whatever the network does with its message', () => {
  const message = Buffer.concat([Buffer.alloc(1000), encode(envelope([[key(1), ONE]]))]).subarray(1000)
  const decoded = decodeEnvelope(message)
  assert.ok(decoded.ok)
  message.fill(0)
  assert.deepEqual(decoded.value.reportBytes, new Uint8Array(REPORT))
  assert.deepEqual(decoded.value.signature, SIGNATURE)
  const { reportBytes, signature } = decoded.value
  const peer = peerIdFromKey(key(1))!
  const encoded = [
    encodeReport({ origin: peer, issuedAt: 0, claims: [] }),
    encodeEnvelope({ reportBytes, signature, hops: [] })
  ]
  for (const bytes of [reportBytes, signature, ...encoded]) assert.equal(bytes.buffer.byteLength, bytes.byteLength)
})
