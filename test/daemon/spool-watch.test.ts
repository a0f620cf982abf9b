import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync, unlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { watchSpool } from '../../src/daemon/spool-watch.ts'
import { until } from '../support/until.ts'

function createFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'banmesh-watch-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return join(folder, 'spool')
}

test('every file that comes is taken up, by one drain at a time', async (t) => {
  const dir = createFolder(t)
  const taken = new Set<string>()
  let running = 0
  const watcher = watchSpool(dir, async () => {
    assert.equal(++running, 1)
    for (const name of readdirSync(dir)) {
      await new Promise(setImmediate)
      unlinkSync(join(dir, name))
      taken.add(name)
    }
    running--
  })
  t.after(() => watcher.close())
  for (let i = 0; i < 50; i++) {
    writeFileSync(join(dir, String(i)), '')
    if (i % 10 === 0) await new Promise(setImmediate)
  }
  await until(() => taken.size === 50, 'all files to be taken up')
})

test('a drain that fails is tried again with the next file', async (t) => {
  const dir = createFolder(t)
  let calls = 0
  const watcher = watchSpool(dir, () => {
    calls++
    return Promise.reject(new Error('the disk is full'))
  })
  t.after(() => watcher.close())
  writeFileSync(join(dir, 'a'), '')
  await until(() => calls > 0, 'the first drain')
  const before = calls
  writeFileSync(join(dir, 'b'), '')
  await until(() => calls > before, 'another drain')
})

test('a folder that can not be made or watched is no reason to fail', (t) => {
  const file = join(createFolder(t), '..', 'file')
  writeFileSync(file, '')
  watchSpool(join(file, 'spool'), () => Promise.resolve()).close()
})
