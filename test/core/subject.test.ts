import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PROTOCOL_LIMITS } from '../../src/core/limits.ts'
import { parseSubject, subjectFromBytes } from '../../src/core/subject.ts'

for (const [text, expected] of [
  ['203.0.113.7', '203.0.113.7'],
  ['203.0.113.7/24', '203.0.113.0/24'],
  ['203.0.113.7/23', 'over-wide'],
  ['0.0.0.0/0', 'over-wide'],
  ['2001:db8:1:2:3::/48', '2001:db8:1::/48'],
  ['2001:db8:1:2:3::/47', 'over-wide'],
  ['::/0', 'over-wide'],
  // Mapped prefixes count as those of IPv4.
  ['::ffff:203.0.113.7/120', '203.0.113.0/24'],
  ['::ffff:203.0.113.7/119', 'over-wide'],
  ['::ffff:203.0.113.7/96', 'over-wide'],
  ['::ffff:203.0.113.7/95', '::fffe:0:0/95'],
  ['203.0.113.7/33', 'junk-subject'],
  ['203.0.113.7%eth0', 'junk-subject'],
  ['attacker.example.net', 'junk-subject'],
  ['', 'junk-subject']
] as const) {
  test(`the subject ${JSON.stringify(text)} is ${expected}`, () => {
    const subject = parseSubject(text)
    assert.equal(subject.ok ? subject.value : subject.reason, expected)
  })
}

test('bytes are held to the same width, at n and n+1', () => {
  for (const [length, widest] of [
    [4, PROTOCOL_LIMITS.minPrefixV4],
    [16, PROTOCOL_LIMITS.minPrefixV6]
  ] as const) {
    const address = new Uint8Array(length).fill(0x20)
    assert.equal(subjectFromBytes({ address, prefix: widest }).ok, true)
    assert.deepEqual(subjectFromBytes({ address, prefix: widest - 1 }), { ok: false, reason: 'over-wide' })
    assert.deepEqual(subjectFromBytes({ address, prefix: length * 8 + 1 }), { ok: false, reason: 'junk-subject' })
  }
})
