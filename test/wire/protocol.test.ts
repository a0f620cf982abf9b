/** PROTOCOL.md says what the code does: its tables and its vectors are read from the text and compared with the code. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { PROTOCOL_LIMITS } from '../../src/core/limits.ts'
import type { Claim, Hop, PeerId, ReportId } from '../../src/core/report.ts'
import { parseSubject } from '../../src/core/subject.ts'
import { decodeEnvelope, decodeReport, encodeEnvelope, encodeReport, reportIdOf } from '../../src/wire/codec.ts'
import { parsePeerId } from '../../src/wire/peer-id.ts'
import { privateKeyFromRaw, signReport, verifyReport } from '../../src/wire/signature.ts'
import { isOfSmallOrder } from '../../src/wire/small-order.ts'

const TEXT = readFileSync(new URL('../../src/wire/PROTOCOL.md', import.meta.url), 'utf8')

interface Accepted {
  readonly what: string
  readonly network: string
  readonly seed: string
  readonly origin: PeerId
  readonly issuedAt: number
  readonly claims: readonly Claim[]
  readonly hops: readonly Hop[]
  readonly report: string
  readonly reportId: ReportId
  readonly signature: string
  readonly envelope: string
}

interface Refused {
  readonly what: string
  readonly of: 'envelope' | 'report'
  readonly bytes: string
  readonly reason: string
}

interface Forged {
  readonly what: string
  readonly network: string
  readonly report: string
  readonly signature: string
}

function section(number: number): string {
  return TEXT.split(/^## /m).find((part) => part.startsWith(`${number}. `))!
}

function vectors<Vector>(kind: string): Vector[] {
  const block = new RegExp('^```json ' + kind + '\\n(.*?)^```', 'ms').exec(TEXT)
  return JSON.parse(block![1]!) as Vector[]
}

const fromHex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'hex'))
const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

const refused = vectors<Refused>('refused')

test('the table of limits is the code', () => {
  const rows = [...section(3).matchAll(/^\| `(\w+)` \| (\d+) \|/gm)]
  assert.deepEqual(Object.fromEntries(rows.map(([, name, value]) => [name, Number(value)])), PROTOCOL_LIMITS)
})

test('every reason of the table has a vector, and every vector has a reason of the table', () => {
  const reasons = [...section(5).matchAll(/^\| `([a-z-]+)` \|/gm)].map(([, reason]) => reason!)
  const shown = new Set(refused.map(({ reason }) => reason))
  // A vector of 128 KiB would be no pleasure to read; test/wire/codec.test.ts makes one.
  assert.deepEqual(reasons.filter((reason) => reason !== 'oversized').toSorted(), [...shown].toSorted())
})

test('the points of small order that the text lists are the ones that the code knows', () => {
  const listed = section(1).match(/^[0-9a-f]{64}$/gm)!
  assert.equal(listed.length, 5)
  for (const point of listed) assert.equal(isOfSmallOrder(fromHex(point)), true, point)
})

test('what the text shows as a peer ID is one', () => {
  const shown = TEXT.match(/12D3KooW\w+/g)!
  assert.ok(shown.length >= 3)
  for (const peer of shown) assert.equal(parsePeerId(peer), peer)
})

for (const vector of vectors<Accepted>('accepted')) {
  const { what, network, origin, issuedAt, claims, hops, reportId } = vector
  const report = fromHex(vector.report)
  const signature = fromHex(vector.signature)

  test(`vector, encoded and signed: ${what}`, () => {
    for (const { subject } of claims) assert.deepEqual(parseSubject(subject), { ok: true, value: subject })
    assert.equal(toHex(encodeReport({ origin, issuedAt, claims })), vector.report)
    assert.equal(reportIdOf(report), reportId)
    assert.equal(toHex(signReport(network, privateKeyFromRaw(fromHex(vector.seed))!, report)), vector.signature)
    assert.equal(toHex(encodeEnvelope({ reportBytes: report, signature, hops })), vector.envelope)
  })

  test(`vector, decoded and verified: ${what}`, () => {
    assert.deepEqual(decodeEnvelope(fromHex(vector.envelope)), {
      ok: true,
      value: { reportId, reportBytes: report, signature, hops }
    })
    assert.deepEqual(decodeReport(report), { ok: true, value: { origin, issuedAt, claims } })
    assert.equal(verifyReport(network, origin, report, signature), true)
  })
}

for (const { what, of, bytes, reason } of refused) {
  test(`vector, ${of} refused as ${reason}: ${what}`, () => {
    const decode = of === 'envelope' ? decodeEnvelope : decodeReport
    assert.deepEqual(decode(fromHex(bytes)), { ok: false, reason })
  })
}

for (const { what, network, report, signature } of vectors<Forged>('forged')) {
  test(`vector, signature refused: ${what}`, () => {
    const decoded = decodeReport(fromHex(report))
    assert.ok(decoded.ok)
    assert.equal(verifyReport(network, decoded.value.origin, fromHex(report), fromHex(signature)), false)
  })
}
