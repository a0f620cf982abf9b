import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { PROTOCOL_LIMITS } from '../../src/core/limits.ts'
import type { PeerId, ReportId } from '../../src/core/report.ts'
import type { Subject } from '../../src/core/subject.ts'
import { openDatabase, transaction } from '../../src/store/database.ts'
import { createLedger, type Ledger, type ReportRow } from '../../src/store/ledger.ts'
import type { SyncPage } from '../../src/store/paths.ts'

const ALICE = 'alice' as PeerId
const BOB = 'bob' as PeerId
/** As many that some of their numbers, as bytes, begin or end where those of others go on: 1, 256, 257. */
const PEERS = Array.from({ length: 300 }, (_, i) => `peer ${i}` as PeerId)
const TRUST = 0x0101_0101

function open(): { ledger: Ledger; db: Parameters<typeof createLedger>[0] } {
  const opened = openDatabase(':memory:')
  assert(opened.ok)
  const ledger = createLedger(opened.value)
  return { ledger, db: opened.value }
}

function record(ledger: Ledger, n: number, origin: PeerId): ReportRow {
  const id = createHash('sha256').update(String(n)).digest('hex') as ReportId
  const claim = { kind: 'ban', subject: `192.0.2.${n}` as Subject, until: 2000, jail: 'sshd', failures: 1 } as const
  const report = { origin, issuedAt: 1_790_000_000_000 + n, claims: [claim] }
  return ledger.record({ id, bytes: Buffer.alloc(1), signature: Buffer.alloc(64), report }, origin, null)!.row
}

function keyOf(n: number, way: string): Uint8Array {
  return createHash('sha256').update(`${n} by ${way}`).digest().subarray(0, 16)
}

function itemsOf(pages: Iterable<SyncPage>): string[] {
  return [...pages].flatMap(({ issuedAt, keys, refs }) =>
    refs.map((ref, i) => `${ref} ${issuedAt[i]} ${Buffer.from(keys.subarray(i * 16, i * 16 + 16)).toString('hex')}`)
  )
}

function itemOf(row: number, n: number, way: string): string {
  return `${row} ${1_790_000_000_000 + n} ${Buffer.from(keyOf(n, way)).toString('hex')}`
}

const hop = fc.constantFrom(0, 1, 2, 3, 255, 256, 257).map((i) => ({ peer: PEERS[i]!, trust: TRUST }))
const reports = fc.array(
  fc.record({
    origin: fc.constantFrom(0, 1, 2).map((i) => PEERS[i]!),
    ways: fc.array(fc.array(hop, { maxLength: PROTOCOL_LIMITS.hops }), { minLength: 1, maxLength: 2 }),
    offered: fc.constantFrom('not', 'as our own', 'by the first way')
  }),
  { maxLength: 12 }
)

test('a friend is offered what neither came from it nor through it, and holds are what it brought, each with its key', () => {
  fc.assert(
    fc.property(reports, fc.constantFrom(0, 1, 2, 255, 256, 257), (said, index) => {
      const { ledger } = open()
      PEERS.forEach((peer, i) => record(ledger, 1000 + i, peer))
      const friend = PEERS[index]!
      const offers: string[] = []
      const holds: string[] = []
      said.forEach(({ origin, ways, offered }, n) => {
        const row = record(ledger, n, origin)
        ways.forEach((hops, way) => {
          const via = hops.at(-1)?.peer ?? origin
          if (way === 1 && via === (ways[0]!.at(-1)?.peer ?? origin)) return
          ledger.paths.put(row, { friend: via, hops }, keyOf(n, `way ${way}`))
          if (via === friend) holds.push(itemOf(row, n, `way ${way}`))
        })
        if (offered === 'not') return
        const isOwn = offered === 'as our own'
        const via = isOwn ? null : (ways[0]!.at(-1)?.peer ?? origin)
        ledger.paths.offer(row, { key: keyOf(n, 'offer'), via }, null)
        const way = isOwn ? [] : ways[0]!.map(({ peer }) => peer)
        if (![origin, ...way].includes(friend)) offers.push(itemOf(row, n, 'offer'))
      })
      assert.deepEqual(itemsOf(ledger.paths.offers(friend)), offers)
      assert.deepEqual(itemsOf(ledger.paths.holds(friend)), holds)
    }),
    { numRuns: 100 }
  )
})

for (const count of [999, 1000, 1001]) {
  test(`what is compared with a friend comes in pages of 1000 reports: ${count} of them`, () => {
    const { ledger, db } = open()
    transaction(db, () => {
      for (let n = 0; n < count; n++) {
        const row = record(ledger, n, ALICE)
        ledger.paths.put(row, { friend: ALICE, hops: [] }, keyOf(n, 'way'))
        if (n % 2 === 0) ledger.paths.offer(row, { key: keyOf(n, 'offer'), via: ALICE }, null)
      }
    })
    const [first = 0, second = 0] = [...ledger.paths.holds(ALICE)].map(({ refs }) => refs.length)
    assert.deepEqual([first, second], [Math.min(count, 1000), Math.max(0, count - 1000)])
    const offered = [...ledger.paths.offers(BOB)].map(({ refs }) => refs.length)
    assert.deepEqual(offered, count > 1000 ? [500, 1] : [500])
  })
}

test('what is written while the pages are read does no harm', () => {
  const { ledger, db } = open()
  const put = (n: number): void => {
    ledger.paths.put(record(ledger, n, ALICE), { friend: ALICE, hops: [] }, keyOf(n, 'way'))
  }
  transaction(db, () => {
    for (let n = 0; n < 1001; n++) put(n)
  })
  const pages = ledger.paths.holds(ALICE)
  assert.equal(pages.next().value?.refs.length, 1000)
  put(1001)
  assert.equal(ledger.expire(2000, 1001), 1001)
  assert.equal(pages.next().value?.refs.length, 1)
  assert.equal(pages.next().done, true)
})
