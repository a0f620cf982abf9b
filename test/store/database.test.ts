import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, test } from 'node:test'
import { Key } from 'interface-datastore'
import type { Subject } from '../../src/core/subject.ts'
import { checkpoint, LOG_PAGES, migrate, openDatabase, transaction } from '../../src/store/database.ts'
import { SqliteDatastore } from '../../src/store/datastore.ts'
import { MIGRATIONS } from '../../src/store/migrations.ts'
import { createOutbox } from '../../src/store/outbox.ts'
import { createVerdicts, type StoredVerdict } from '../../src/store/verdicts.ts'

const dir = mkdtempSync(join(tmpdir(), 'banmesh-store-'))
after(() => rmSync(dir, { recursive: true, force: true }))

function open(path = ':memory:') {
  const opened = openDatabase(path)
  assert(opened.ok)
  return opened.value
}

function schemaOf(db: DatabaseSync): unknown {
  return db.prepare('SELECT type, name, sql FROM sqlite_schema ORDER BY name').all()
}

test('from every earlier version the migrations lead to the same schema', () => {
  const fresh = schemaOf(open())
  for (let version = 0; version < MIGRATIONS.length; version++) {
    const db = new DatabaseSync(':memory:')
    assert.equal(migrate(db, MIGRATIONS.slice(0, version)), true)
    assert.equal(migrate(db, MIGRATIONS), true)
    assert.deepEqual(schemaOf(db), fresh, `from version ${version}`)
  }
})

test('a ledger of a newer version is refused and left as it is', () => {
  const path = join(dir, 'newer.db')
  const db = open(path)
  db.exec(`PRAGMA user_version = ${MIGRATIONS.length + 1}`)
  db.close()
  assert.deepEqual(openDatabase(path), { ok: false, reason: 'newer-version' })
})

test('a file that is no ledger, and a place that cannot be written, are refused with a reason', () => {
  const path = join(dir, 'junk.db')
  writeFileSync(
    path,
    'this is not a database, and it is longer than one hundred bytes so that nobody takes it for one: '.repeat(4)
  )
  assert.deepEqual(openDatabase(path), { ok: false, reason: 'not-a-ledger' })
  assert.deepEqual(openDatabase(join(dir, 'absent', 'ledger.db')), { ok: false, reason: 'not-writable' })
})

test('an exception in a transaction undoes all of it and reaches the caller', () => {
  const db = open()
  const insert = (): unknown => db.prepare("INSERT INTO meta (key, value) VALUES ('a', 1)").run()
  assert.throws(
    () =>
      transaction(db, () => {
        insert()
        throw new Error('no')
      }),
    /no/
  )
  assert.equal(db.prepare('SELECT count(*) AS n FROM meta').get()!.n, 0)
  transaction(db, insert)
  assert.equal(db.prepare('SELECT count(*) AS n FROM meta').get()!.n, 1)
})

test("libp2p's datastore keeps keys by prefix over a restart", async () => {
  const path = join(dir, 'datastore.db')
  const first = open(path)
  const store = new SqliteDatastore(first)
  store.put(new Key('/peers/a'), Uint8Array.of(1))
  store.put(new Key('/peers/b'), Uint8Array.of(2))
  store.put(new Key('/other'), Uint8Array.of(3))
  first.close()
  const second = new SqliteDatastore(open(path))
  const found: [string, number | undefined][] = []
  for await (const { key, value } of second.query({ prefix: '/peers' })) found.push([key.toString(), value[0]])
  assert.deepEqual(found, [
    ['/peers/a', 1],
    ['/peers/b', 2]
  ])
  assert.equal(second.has(new Key('/peers/a')), true)
  second.delete(new Key('/peers/a'))
  assert.equal(second.has(new Key('/peers/a')), false)
  assert.throws(() => second.get(new Key('/peers/a')), { name: 'NotFoundError' })
})

const ENTRY = { subject: '203.0.113.7' as Subject, until: 10, jail: 'sshd', score: 800_000, origins: 1 }

test('an entry stays in the outbox until it is done, and a newer word about it is not lost', () => {
  const outbox = createOutbox(open())
  outbox.put('log', { ...ENTRY, action: 'ban' })
  outbox.put('fail2ban', { ...ENTRY, action: 'ban' })
  const taken = outbox.pending('log', 10)
  assert.deepEqual(taken, [{ ...ENTRY, action: 'ban', sequence: 1 }])
  outbox.put('log', { ...ENTRY, action: 'unban' })
  outbox.done('log', taken)
  assert.deepEqual(
    outbox.pending('log', 10).map(({ action }) => action),
    ['unban']
  )
  outbox.done('log', outbox.pending('log', 10))
  assert.equal(outbox.count('log'), 0)
  assert.equal(outbox.count('fail2ban'), 1)
})

test('the outbox gives the oldest entries first, and no more than asked for', () => {
  const outbox = createOutbox(open())
  const subjects = ['203.0.113.9', '203.0.113.1', '203.0.113.5'] as Subject[]
  for (const subject of subjects) outbox.put('log', { ...ENTRY, subject, action: 'ban' })
  assert.deepEqual(
    outbox.pending('log', 2).map(({ subject }) => subject),
    subjects.slice(0, 2)
  )
})

test('verdicts are kept, paged in order, and due when time may change them', () => {
  const verdicts = createVerdicts(open())
  const make = (subject: string, reviewAt: number, accepted: boolean): StoredVerdict => ({
    ...ENTRY,
    subject: subject as Subject,
    accepted,
    reviewAt,
    localJail: accepted ? 'web' : null,
    reason: accepted ? 'accepted' : 'below-threshold',
    own: false,
    handOff: accepted
  })
  const all = [make('203.0.113.1', 30, true), make('203.0.113.2', 10, false), make('203.0.113.3', 20, true)]
  for (const verdict of all) verdicts.put(verdict)
  assert.deepEqual([...verdicts.all(1)], all)
  assert.deepEqual(verdicts.get(all[1]!.subject), all[1])
  assert.deepEqual(verdicts.due(20, 10), ['203.0.113.2', '203.0.113.3'])
  assert.deepEqual(verdicts.counts(), { accepted: 2, held: 1 })
  verdicts.remove(all[0]!.subject)
  assert.equal(verdicts.get(all[0]!.subject), null)
})

test('a veto is kept once and forgotten on demand', () => {
  const verdicts = createVerdicts(open())
  verdicts.veto(ENTRY.subject, 1)
  verdicts.veto(ENTRY.subject, 2)
  assert.deepEqual(verdicts.vetoes(), [ENTRY.subject])
  assert.equal(verdicts.forgetVeto(ENTRY.subject), true)
  assert.equal(verdicts.forgetVeto(ENTRY.subject), false)
})

test('the log grows to its limit before a commit waits for the disk, and a checkpoint empties it', () => {
  const path = join(dir, 'logged.db')
  const db = open(path)
  const insert = db.prepare('INSERT OR REPLACE INTO datastore (key, value) VALUES (?, ?)')
  const pages = (): number => statSync(`${path}-wal`).size / (4096 + 24)
  const fill = (commits: number): void => {
    for (let i = 0; i < commits; i++) insert.run(`key ${i}`, Buffer.alloc(3 * 4096, i))
  }
  fill(LOG_PAGES / 8)
  assert(pages() > LOG_PAGES / 2 && pages() < LOG_PAGES, String(pages()))
  fill(LOG_PAGES)
  assert(pages() < LOG_PAGES + 100, String(pages()))
  const reader = new DatabaseSync(path, { readOnly: true })
  reader.exec('BEGIN; SELECT count(*) FROM datastore')
  assert.equal(checkpoint(db), false)
  reader.close()
  assert.equal(checkpoint(db), true)
  assert.equal(pages(), 0)
  assert.equal((db.prepare('SELECT count(*) AS n FROM datastore').get() as { n: number }).n, LOG_PAGES)
  db.close()
})
