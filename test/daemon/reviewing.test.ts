import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Subject } from '../../src/core/subject.ts'
import { createReviewing } from '../../src/daemon/reviewing.ts'
import type { KnownReport } from '../../src/store/ledger.ts'
import { openDatabase } from '../../src/store/database.ts'
import { createPeer } from '../support/peers.ts'

const SUBJECTS = Array.from({ length: 250 }, (_, i) => `192.0.2.${String(i).padStart(3, '0')}` as Subject)

function setUp({ fails = false } = {}) {
  const db = openDatabase(':memory:')
  assert(db.ok)
  const [self, other] = [createPeer(), createPeer()]
  const reports = Array.from({ length: 101 }, (_, i) => ({
    row: i + 1,
    origin: i === 0 ? self.id : other.id
  })) as KnownReport[]
  const pages: Subject[][] = []
  const refreshed: number[] = []
  const reviewing = createReviewing({
    db: db.value,
    self: self.id,
    ledger: {
      subjectsAfter: (after, limit) => SUBJECTS.filter((subject) => subject > after).slice(0, limit),
      reportsAfter: (after, limit) => reports.filter(({ row }) => row > after).slice(0, limit)
    },
    offers: { refresh: ({ row }) => refreshed.push(row) },
    ingest: {
      review(subjects) {
        pages.push([...subjects])
        return Promise.resolve(!fails)
      }
    }
  })
  return { reviewing, pages, refreshed }
}

for (const way of ['everything', 'everythingAtLeisure'] as const) {
  test(`${way} is every subject, a hundred at a time, and then every offer of what others said`, async () => {
    const { reviewing, pages, refreshed } = setUp()
    await reviewing[way]()
    assert.deepEqual(pages.flat(), SUBJECTS)
    assert.deepEqual(
      pages.map(({ length }) => length),
      [100, 100, 50]
    )
    assert.deepEqual(
      refreshed,
      Array.from({ length: 100 }, (_, i) => i + 2)
    )
  })

  test(`${way} during a run begins it anew, and both end when all was judged after the call`, async () => {
    const { reviewing, pages } = setUp()
    const first = reviewing.everythingAtLeisure()
    assert.equal(pages.length, 1)
    await Promise.all([first, reviewing[way]()])
    assert.deepEqual(pages.slice(1).flat(), SUBJECTS)
  })

  test(`${way} ends with the page under way when it is stopped, or the ledger has failed`, async () => {
    const { reviewing, pages, refreshed } = setUp()
    const run = reviewing[way]()
    reviewing.stop()
    await run
    assert.deepEqual([pages.length, refreshed.length], [1, 0])
    const broken = setUp({ fails: true })
    await broken.reviewing[way]()
    assert.deepEqual([broken.pages.length, broken.refreshed.length], [1, 0])
  })
}
