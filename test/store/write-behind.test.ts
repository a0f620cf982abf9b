import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { openDatabase } from '../../src/store/database.ts'
import { createWriteBehind, WRITE_BEHIND_MS } from '../../src/store/write-behind.ts'
import { until } from '../support/until.ts'

/** What it takes to bring a log to the disk at will. */
function stand() {
  const planned: (() => void)[] = []
  const syncs: PromiseWithResolvers<void>[] = []
  const failures: unknown[] = []
  const behind = createWriteBehind({
    path: 'ledger.db',
    schedule(run, delayMs) {
      assert.equal(delayMs, WRITE_BEHIND_MS)
      planned.push(run)
      return () => void planned.splice(0)
    },
    failed: (error) => failures.push(error),
    sync(path) {
      assert.equal(path, 'ledger.db-wal')
      const sync = Promise.withResolvers<void>()
      syncs.push(sync)
      return sync.promise
    }
  })
  return { behind, planned, syncs, failures, next: () => planned.shift()!() }
}

test('commits go to the disk together, a moment later, and those that come meanwhile after that', async () => {
  const { behind, planned, syncs, next } = stand()
  behind.committed()
  behind.committed()
  assert.deepEqual([planned.length, syncs.length], [1, 0])
  next()
  assert.equal(syncs.length, 1)
  behind.committed()
  assert.equal(planned.length, 0)
  syncs[0]!.resolve()
  await until(() => planned.length === 1, 'the second to be planned')
  next()
  syncs[1]!.resolve()
  await behind.stop()
  assert.deepEqual([planned.length, syncs.length], [0, 2])
})

test('whoever stops waits for what is under way, and nothing more is planned', async () => {
  const { behind, planned, syncs, next } = stand()
  behind.committed()
  next()
  behind.committed()
  let isStopped = false
  const stopped = behind.stop().then(() => (isStopped = true))
  await nextTurn()
  assert.equal(isStopped, false)
  syncs[0]!.resolve()
  await stopped
  behind.committed()
  assert.equal(planned.length, 0)
})

test('a disk that fails is told, and it is tried again at the next commit', async () => {
  const { behind, planned, syncs, failures, next } = stand()
  behind.committed()
  next()
  syncs[0]!.reject(new Error('EIO'))
  await until(() => failures.length === 1, 'the failure')
  assert.equal(planned.length, 0)
  behind.committed()
  next()
  assert.equal(syncs.length, 2)
})

test('a real log is brought to a real disk', async (t) => {
  const path = join(mkdtempSync(join(tmpdir(), 'banmesh-disk-')), 'ledger.db')
  t.after(() => rmSync(join(path, '..'), { recursive: true, force: true }))
  const opened = openDatabase(path)
  assert(opened.ok)
  const db = opened.value
  const failures: unknown[] = []
  const synced = Promise.withResolvers<void>()
  const behind = createWriteBehind({
    path,
    schedule(run) {
      setImmediate(() => {
        run()
        synced.resolve()
      })
      return () => undefined
    },
    failed: (error) => failures.push(error)
  })
  db.exec("INSERT INTO jails (name) VALUES ('sshd')")
  behind.committed()
  await synced.promise
  await behind.stop()
  assert.deepEqual(failures, [])
  db.close()
})
