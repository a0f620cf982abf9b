import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkPath, checkReport, supersedes, type Passage } from '../../src/core/acceptance.ts'
import { PROTOCOL_LIMITS } from '../../src/core/limits.ts'
import { ONE, type Claim, type Report, type ReportId } from '../../src/core/report.ts'
import type { Subject } from '../../src/core/subject.ts'
import { peer } from './ways.ts'

const SELF = 'self'

/** `relays` in the order of travel. */
function passage(origin: string, relays: readonly string[], from: string | null, maxHops = 6): Passage {
  const hops = relays.map((name) => ({ peer: peer(name), trust: ONE }))
  return { origin: peer(origin), hops, from: from === null ? null : peer(from), self: peer(SELF), maxHops }
}

for (const [what, given, expected] of [
  ['our own report', passage(SELF, [], null), null],
  ["a friend's own report", passage('A', [], 'A'), null],
  ['a report with one relay', passage('B', ['A'], 'A'), null],
  ['a report with three relays', passage('D', ['C', 'B', 'A'], 'A'), null],
  ['as many hops as allowed', passage('D', ['C', 'B', 'A'], 'A', 3), null],
  ['one hop more than allowed', passage('D', ['C', 'B', 'A'], 'A', 2), 'too-many-hops'],
  ['a hop where none is allowed', passage('B', ['A'], 'A', 0), 'too-many-hops'],
  ['our own report brought by a friend', passage(SELF, ['A'], 'A'), 'own-origin'],
  ['our own report brought by a friend as its own', passage(SELF, [], 'A'), 'own-origin'],
  ['a way through us', passage('B', [SELF, 'A'], 'A'), 'own-hop'],
  ["somebody else's report without hops", passage('B', [], 'A'), 'wrong-origin'],
  ["a stranger's report as our own", passage('B', [], null), 'wrong-origin'],
  ['a last hop that is not the sender', passage('C', ['B'], 'A'), 'wrong-last-hop'],
  ['the sender among the hops but not last', passage('C', ['A', 'B'], 'A'), 'wrong-last-hop'],
  ['an own report that has hops', passage(SELF, ['A'], null), 'wrong-last-hop'],
  ['a relay twice', passage('C', ['B', 'D', 'B', 'A'], 'A'), 'loop'],
  ['the sender twice', passage('C', ['A', 'B', 'A'], 'A'), 'loop'],
  ['the origin relays its own report', passage('A', ['A'], 'A'), 'loop'],
  ['the origin relays in between', passage('C', ['B', 'C', 'A'], 'A'), 'loop']
] as const) {
  test(`${what}: ${expected ?? 'accepted'}`, () => assert.equal(checkPath(given), expected))
}

const NOW = 1_763_668_800_000
const SECONDS = NOW / 1000

function report(overrides: { issuedAt?: number; claims?: Partial<Claim>[] }): Report {
  const claims = (overrides.claims ?? [{}]).map((claim): Claim => ({
    kind: 'ban',
    subject: '198.51.100.7' as Subject,
    until: SECONDS + 600,
    jail: 'sshd',
    failures: 5,
    ...claim
  }))
  return { origin: peer('A'), issuedAt: overrides.issuedAt ?? NOW, claims }
}

const { clockSkewMs, ttlSeconds } = PROTOCOL_LIMITS

for (const [what, given, expected] of [
  ['a fresh ban', report({}), null],
  ['an unban', report({ claims: [{ kind: 'unban' }] }), null],
  ['as far ahead as clocks may be', report({ issuedAt: NOW + clockSkewMs }), null],
  ['a millisecond further ahead', report({ issuedAt: NOW + clockSkewMs + 1 }), 'future'],
  ['as long as a claim may last', report({ claims: [{ until: SECONDS + ttlSeconds }] }), null],
  ['a second longer', report({ claims: [{ until: SECONDS + ttlSeconds + 1 }] }), 'ttl'],
  ['one of two claims too long', report({ claims: [{}, { jail: 'nginx', until: SECONDS + ttlSeconds + 1 }] }), 'ttl'],
  ['a claim that lasts one more second', report({ claims: [{ until: SECONDS + 1 }] }), null],
  ['a claim that ends now', report({ claims: [{ until: SECONDS }] }), 'expired'],
  ['one of two claims live', report({ claims: [{ until: SECONDS - 9 }, { jail: 'nginx' }] }), null],
  ['all of two claims ended', report({ claims: [{ until: SECONDS - 9 }, { jail: 'nginx', until: 0 }] }), 'expired'],
  ['one subject in two jails', report({ claims: [{}, { jail: 'nginx' }] }), null],
  ['two subjects in one jail', report({ claims: [{}, { subject: '198.51.100.8' as Subject }] }), null],
  ['one register twice', report({ claims: [{}, { jail: 'nginx' }, { until: SECONDS + 60 }] }), 'duplicate-claim'],
  ['ban and unban of one register', report({ claims: [{}, { kind: 'unban' }] }), 'duplicate-claim']
] as const) {
  test(`${what}: ${expected ?? 'accepted'}`, () => assert.equal(checkReport(given, NOW), expected))
}

test('bug 25: a report from a year ago is refused although it says that it is fresh for ever', () => {
  const yearOld = NOW - (ttlSeconds + 1) * 1000
  assert.equal(checkReport(report({ issuedAt: yearOld, claims: [{ until: SECONDS + 1 }] }), NOW), 'ttl')
})

test('the later report wins, and of two at the same time the one with the higher id', () => {
  const issue = (issuedAt: number, id: string) => ({ issuedAt, id: id as ReportId })
  assert.equal(supersedes(issue(2, 'aa'), issue(1, 'bb')), true)
  assert.equal(supersedes(issue(1, 'bb'), issue(2, 'aa')), false)
  assert.equal(supersedes(issue(1, 'bb'), issue(1, 'aa')), true)
  assert.equal(supersedes(issue(1, 'aa'), issue(1, 'bb')), false)
  assert.equal(supersedes(issue(1, 'aa'), issue(1, 'aa')), false)
})
