/** Random peers, claims, reports, hops and envelopes, as fast-check wants them: all that the protocol allows. */
import * as fc from 'fast-check'
import { PROTOCOL_LIMITS } from '../../src/core/limits.ts'
import { ONE, type Claim, type Hop, type PeerId, type Report } from '../../src/core/report.ts'
import { subjectFromBytes, type Subject } from '../../src/core/subject.ts'
import { encodeReport, type Envelope } from '../../src/wire/codec.ts'
import { peerIdFromKey } from '../../src/wire/peer-id.ts'

/** Plain objects, as the decoder makes them. */
const PLAIN = { noNullPrototype: true }

export const bytesOf = (length: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: length, maxLength: length })

const peers: fc.Arbitrary<PeerId> = bytesOf(32)
  .map((key) => peerIdFromKey(key))
  .filter((peer) => peer !== null)

const subjectsOf = (length: 4 | 16, widest: number): fc.Arbitrary<Subject> =>
  fc
    .record({ address: bytesOf(length), prefix: fc.integer({ min: widest, max: length * 8 }) })
    .map((bytes) => subjectFromBytes(bytes))
    .filter((subject) => subject.ok)
    .map((subject) => subject.value)

const subjects: fc.Arbitrary<Subject> = fc.oneof(
  subjectsOf(4, PROTOCOL_LIMITS.minPrefixV4),
  subjectsOf(16, PROTOCOL_LIMITS.minPrefixV6)
)

const claimsUntil = (latest: number): fc.Arbitrary<Claim[]> =>
  fc.uniqueArray(
    fc.record(
      {
        kind: fc.constantFrom('ban', 'unban'),
        subject: subjects,
        until: fc.integer({ min: 0, max: latest }),
        jail: fc.stringMatching(/^[A-Za-z0-9_.-]{1,64}$/),
        failures: fc.integer({ min: 0, max: PROTOCOL_LIMITS.failures })
      },
      PLAIN
    ),
    { minLength: 1, maxLength: 20, selector: ({ subject, jail }) => `${subject} ${jail}` }
  )

export const reports: fc.Arbitrary<Report> = fc
  .record({ origin: peers, issuedAt: fc.maxSafeNat() })
  .chain(({ origin, issuedAt }) =>
    claimsUntil(Math.floor(issuedAt / 1000) + PROTOCOL_LIMITS.ttlSeconds).map((claims) => ({
      origin,
      issuedAt,
      claims
    }))
  )

const hopLists: fc.Arbitrary<Hop[]> = fc.array(
  fc.record({ peer: peers, trust: fc.integer({ min: 0, max: ONE }) }, PLAIN),
  { maxLength: PROTOCOL_LIMITS.hops }
)

/** The signature is not one: the codec does not look into it. */
export const envelopes: fc.Arbitrary<Envelope> = fc.record(
  {
    reportBytes: reports.map(encodeReport),
    signature: bytesOf(64),
    hops: hopLists
  },
  PLAIN
)

interface Edit {
  readonly at: number
  readonly removed: number
  readonly inserted: Uint8Array
}

/** A few random edits of random bytes: overwritten, put in, taken out. */
export const damaged = (originals: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> => {
  const edit: fc.Arbitrary<Edit> = fc.record({
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    removed: fc.integer({ min: 0, max: 2 }),
    inserted: fc.uint8Array({ maxLength: 2 })
  })
  return fc
    .tuple(originals, fc.array(edit, { minLength: 1, maxLength: 3 }))
    .map(([bytes, edits]) => edits.reduce(applyEdit, bytes))
}

function applyEdit(bytes: Uint8Array, { at, removed, inserted }: Edit): Uint8Array {
  const start = Math.floor(at * bytes.length)
  return Uint8Array.from([...bytes.subarray(0, start), ...inserted, ...bytes.subarray(start + removed)])
}
