import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Claim, PeerId, Report, ReportId } from '../../src/core/report.ts'
import type { Subject } from '../../src/core/subject.ts'
import { openDatabase } from '../../src/store/database.ts'
import { createLedger, type SignedReport } from '../../src/store/ledger.ts'

const ALICE = 'alice' as PeerId
const BOB = 'bob' as PeerId
const CAROL = 'carol' as PeerId
const ONE_HOST = '203.0.113.7' as Subject
const KEY = new Uint8Array(16)
const OTHER_HOST = '203.0.113.8' as Subject

function open() {
  const opened = openDatabase(':memory:')
  assert(opened.ok)
  return createLedger(opened.value)
}

function claim(change: Partial<Claim> = {}): Claim {
  return { kind: 'ban', subject: ONE_HOST, until: 2000, jail: 'sshd', failures: 3, ...change }
}

function signed(issuedAt: number, claims: readonly Claim[], origin = ALICE): SignedReport {
  const report: Report = { origin, issuedAt, claims }
  const bytes = Buffer.from(JSON.stringify(report))
  const id = createHash('sha256').update(bytes).digest('hex') as ReportId
  return { id, bytes, signature: Buffer.alloc(64, 1), report }
}

test('a recorded report is found again, with its bytes as they came and the claims that it holds', () => {
  const ledger = open()
  const report = signed(1, [claim(), claim({ subject: OTHER_HOST })])
  const recorded = ledger.record(report, BOB, null)!
  assert.deepEqual(recorded.subjects, [ONE_HOST, OTHER_HOST])
  assert.deepEqual({ ...ledger.find(report.id) }, { id: report.id, row: recorded.row, origin: ALICE, relayed: null })
  assert.deepEqual(Buffer.from(ledger.envelopeOf(recorded.row)!.bytes), report.bytes)
  assert.deepEqual(ledger.subjectsOf(recorded.row), [ONE_HOST, OTHER_HOST])
  assert.deepEqual(ledger.bans(ONE_HOST, 1000), [
    { origin: ALICE, jail: 'sshd', until: 2000, issuedAt: 1, own: null, paths: [] }
  ])
  assert.deepEqual(ledger.counts(), { reports: 1, claims: 2 })
})

test('a ban is not live any more in the second in which it ends', () => {
  const ledger = open()
  ledger.record(signed(1, [claim({ until: 2000 })]), BOB, null)
  assert.equal(ledger.bans(ONE_HOST, 1999).length, 1)
  assert.equal(ledger.bans(ONE_HOST, 2000).length, 0)
})

test('a newer report of the same origin overwrites the register, and the older report goes with its last register', () => {
  const ledger = open()
  const both = signed(1, [claim(), claim({ subject: OTHER_HOST })])
  ledger.record(both, BOB, null)
  ledger.record(signed(2, [claim({ until: 3000 })]), BOB, null)
  assert.equal(ledger.bans(ONE_HOST, 0)[0]?.until, 3000)
  assert.notEqual(ledger.find(both.id), null)
  ledger.record(signed(3, [claim({ subject: OTHER_HOST, until: 3000 })]), BOB, null)
  assert.equal(ledger.find(both.id), null)
  assert.deepEqual(ledger.counts(), { reports: 2, claims: 2 })
})

test('a late copy of a lifted ban does not bring it back', () => {
  const ledger = open()
  const ban = signed(1, [claim()])
  ledger.record(ban, BOB, null)
  ledger.record(signed(2, [claim({ kind: 'unban' })]), BOB, null)
  assert.equal(ledger.bans(ONE_HOST, 0).length, 0)
  assert.equal(ledger.record(ban, BOB, null), null)
  assert.equal(ledger.bans(ONE_HOST, 0).length, 0)
})

test('one origin cannot touch the register of another, nor one jail that of another', () => {
  const ledger = open()
  ledger.record(signed(1, [claim()]), BOB, null)
  ledger.record(signed(2, [claim({ kind: 'unban' })], BOB), BOB, null)
  ledger.record(signed(2, [claim({ kind: 'unban', jail: 'nginx' })]), BOB, null)
  assert.equal(ledger.bans(ONE_HOST, 0).length, 1)
})

test("a friend's latest path replaces its earlier one, and the same path again is no news", () => {
  const ledger = open()
  const { row } = ledger.record(signed(1, [claim()]), BOB, null)!
  for (const [path, isNews] of [
    [{ friend: BOB, hops: [{ peer: BOB, trust: 800_000 }] }, true],
    [{ friend: BOB, hops: [{ peer: BOB, trust: 800_000 }] }, false],
    [{ friend: BOB, hops: [{ peer: BOB, trust: 500_000 }] }, true],
    [{ friend: CAROL, hops: [] }, true]
  ] as const) {
    assert.equal(ledger.paths.isNews(row, path), isNews)
    ledger.paths.put(row, path, KEY)
  }
  assert.deepEqual(ledger.paths.of(row), [
    { friend: BOB, hops: [{ peer: BOB, trust: 500_000 }] },
    { friend: CAROL, hops: [] }
  ])
  assert.deepEqual(ledger.bans(ONE_HOST, 0)[0]?.paths, ledger.paths.of(row))
})

test('expiry takes reports whose last claim has ended, and nothing else', () => {
  const ledger = open()
  ledger.record(signed(1, [claim({ until: 1000 }), claim({ until: 3000, subject: OTHER_HOST })]), BOB, null)
  ledger.record(signed(2, [claim({ until: 1000, jail: 'nginx' })]), BOB, null)
  assert.equal(ledger.expire(1000, 10), 1)
  assert.deepEqual(ledger.counts(), { reports: 1, claims: 2 })
  assert.equal(ledger.expire(3000, 10), 1)
  assert.deepEqual(ledger.counts(), { reports: 0, claims: 0 })
})

test('our own bans are told apart by who made them, and a lift ends them', () => {
  const ledger = open()
  ledger.record(signed(1, [claim({ jail: 'manual' })]), null, 'command')
  ledger.record(signed(2, [claim()]), null, 'fail2ban')
  assert.deepEqual(
    ledger.bans(ONE_HOST, 0).map(({ jail, own }) => [jail, own]),
    [
      ['manual', 'command'],
      ['sshd', 'fail2ban']
    ]
  )
  assert.equal(ledger.ownClaims.bans(ONE_HOST, 0).length, 2)
  ledger.record(signed(3, [claim({ kind: 'unban' })]), null, 'fail2ban')
  assert.deepEqual(
    ledger.ownClaims.bans(ONE_HOST, 0).map(({ jail, kept }) => [jail, kept]),
    [['manual', 2000]]
  )
})

test('names that nothing refers to are forgotten when there are many, and those in use stay', () => {
  const ledger = open()
  const { row } = ledger.record(signed(1, [claim({ until: 3000 })]), BOB, null)!
  const hops = [
    { peer: CAROL, trust: 5 },
    { peer: BOB, trust: 6 }
  ]
  ledger.paths.put(row, { friend: BOB, hops }, KEY)
  for (let i = 0; i < 20; i++) {
    ledger.record(signed(i, [claim({ jail: `jail${i}` })], `invented${i}` as PeerId), BOB, null)
  }
  ledger.expire(2000, 100)
  const before = ledger.bans(ONE_HOST, 0)
  ledger.names.collect(44)
  assert.deepEqual(ledger.names.counts(), { peers: 23, jails: 21 })
  ledger.names.collect(43)
  assert.deepEqual(ledger.names.counts(), { peers: 3, jails: 1 })
  assert.deepEqual(ledger.bans(ONE_HOST, 0), before)
})

test('issuedAt follows the clock, but is always later than that of the last report of ours that was recorded', () => {
  const ledger = open()
  const said = [100, 100, 50, 102, 500].map((now) => {
    const issuedAt = ledger.issueClock.next(now)
    ledger.record(signed(issuedAt, [claim()]), null, 'command')
    return issuedAt
  })
  assert.deepEqual(said, [100, 101, 102, 103, 500])
  ledger.record(signed(9000, [claim()], BOB), BOB, null)
  assert.equal(ledger.issueClock.next(0), 501)
})

test('after own reports from the future are forgotten, the next is still later than those that are left', () => {
  const ledger = open()
  for (const issuedAt of [200, 900]) ledger.record(signed(issuedAt, [claim()]), null, 'command')
  assert.deepEqual(ledger.forgetOwnAfter(500, 100, 10), [ONE_HOST])
  assert.equal(ledger.issueClock.next(100), 101)
  ledger.record(signed(200, [claim()]), null, 'command')
  ledger.record(signed(900, [claim({ subject: OTHER_HOST })]), null, 'command')
  assert.deepEqual(ledger.forgetOwnAfter(500, 100, 10), [OTHER_HOST])
  assert.equal(ledger.issueClock.next(100), 201)
  assert.equal(ledger.issueClock.wasAhead(500), false)
})

test('in whatever order reports arrive, and however often, the ledger ends with the same registers', () => {
  const claimArbitrary = fc.record({
    kind: fc.constantFrom('ban' as const, 'unban' as const),
    subject: fc.constantFrom(ONE_HOST, OTHER_HOST),
    jail: fc.constantFrom('sshd', 'nginx'),
    until: fc.integer({ min: 1, max: 5 }),
    failures: fc.constant(1)
  })
  const reportArbitrary = fc.record({
    issuedAt: fc.integer({ min: 1, max: 6 }),
    origin: fc.constantFrom(ALICE, BOB),
    claims: fc.uniqueArray(claimArbitrary, { minLength: 1, maxLength: 4, selector: (c) => `${c.subject} ${c.jail}` })
  })
  const state = (reports: readonly SignedReport[]) => {
    const ledger = open()
    for (const report of reports) if (ledger.find(report.id) === null) ledger.record(report, BOB, null)
    const bans = [ONE_HOST, OTHER_HOST].map((subject) =>
      ledger
        .bans(subject, 0)
        .map((ban) => JSON.stringify(ban))
        .sort()
    )
    return { bans, counts: ledger.counts(), live: reports.map(({ id }) => ledger.find(id) !== null) }
  }
  fc.assert(
    fc.property(fc.array(reportArbitrary, { maxLength: 12 }), fc.infiniteStream(fc.nat()), (list, random) => {
      const reports = list.map(({ issuedAt, claims, origin }) => signed(issuedAt, claims, origin))
      const shuffled = [...reports, ...reports]
        .map((report) => ({ report, at: random.next().value as number }))
        .sort((a, b) => a.at - b.at)
        .map(({ report }) => report)
      const once = state(reports)
      const twice = state(shuffled)
      assert.deepEqual(twice.bans, once.bans)
      assert.deepEqual(twice.counts, once.counts)
    }),
    { numRuns: 100 }
  )
})
