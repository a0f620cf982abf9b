import assert from 'node:assert/strict'
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { ok, refuse } from '../../src/core/result.ts'
import { editConfigFile, lockOf } from '../../src/daemon/config-file.ts'
import { requires } from '../support/requirements.ts'

function createFile(t: TestContext, text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'banmesh-file-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'banmesh.yaml')
  writeFileSync(file, text, { mode: 0o640 })
  return file
}

const append = (line: string) => (text: string) => ok(`${text}${line}\n`)

test('the file is replaced as a whole and keeps its mode', async (t) => {
  const file = createFile(t, 'network: a\n')
  const { ino } = statSync(file)
  assert.deepEqual(await editConfigFile(file, append('web: false')), { ok: true, value: undefined })
  assert.equal(readFileSync(file, 'utf8'), 'network: a\nweb: false\n')
  assert.equal(statSync(file).mode & 0o7777, 0o640)
  assert.notEqual(statSync(file).ino, ino)
  assert.deepEqual(readdirSync(join(file, '..')), ['banmesh.yaml'])
})

test('the file keeps its owner', { skip: requires({ root: true }) }, async (t) => {
  const file = createFile(t, '')
  chownSync(file, 4242, 4343)
  assert.ok((await editConfigFile(file, append('web: false'))).ok)
  assert.deepEqual([statSync(file).uid, statSync(file).gid], [4242, 4343])
})

test('a link to the file stays a link', async (t) => {
  const file = createFile(t, '')
  const link = join(file, '../link.yaml')
  symlinkSync(file, link)
  assert.ok((await editConfigFile(link, append('web: false'))).ok)
  assert.ok(lstatSync(link).isSymbolicLink())
  assert.equal(readFileSync(file, 'utf8'), 'web: false\n')
})

test('what would not parse is not written', async (t) => {
  const file = createFile(t, 'network: a\n')
  assert.deepEqual(await editConfigFile(file, append('netwrk: b')), { ok: false, reason: 'would-not-parse' })
  assert.equal(readFileSync(file, 'utf8'), 'network: a\n')
  assert.deepEqual(readdirSync(join(file, '..')), ['banmesh.yaml'])
})

test('what the edit refuses is passed on', async (t) => {
  const file = createFile(t, 'network: a\n')
  assert.deepEqual(await editConfigFile(file, () => refuse('not-today')), { ok: false, reason: 'not-today' })
  assert.equal(readFileSync(file, 'utf8'), 'network: a\n')
  assert.deepEqual(readdirSync(join(file, '..')), ['banmesh.yaml'])
})

test('an edit that throws leaves no lock behind', async (t) => {
  const file = createFile(t, 'network: a\n')
  const thrown = () => {
    throw new Error('a bug')
  }
  assert.deepEqual(await editConfigFile(file, thrown), { ok: false, reason: 'not-writable' })
  assert.deepEqual(readdirSync(join(file, '..')), ['banmesh.yaml'])
})

test('edits at the same time come one after the other, and none is lost', async (t) => {
  const file = createFile(t, 'allowlist:\n')
  const entries = Array.from({ length: 10 }, (_, index) => `  - 192.0.2.${index}`)
  const results = await Promise.all(entries.map((entry) => editConfigFile(file, append(entry))))
  assert.ok(results.every(({ ok: done }) => done))
  assert.deepEqual(readFileSync(file, 'utf8').trimEnd().split('\n').slice(1).toSorted(), entries)
})

test('a lock is waited for, and not for ever', async (t) => {
  const file = createFile(t, '')
  writeFileSync(lockOf(file), '')
  assert.deepEqual(await editConfigFile(file, append('web: false'), 50), { ok: false, reason: 'locked' })
  const edited = editConfigFile(file, append('web: false'))
  await delay(0)
  unlinkSync(lockOf(file))
  assert.ok((await edited).ok)
})

test('a missing file, or a folder that may not be written, is a refusal', async (t) => {
  const file = createFile(t, '')
  assert.deepEqual(await editConfigFile(`${file}.not`, append('')), { ok: false, reason: 'unreadable' })
  if (process.getuid?.() === 0) return
  chmodSync(join(file, '..'), 0o500)
  t.after(() => chmodSync(join(file, '..'), 0o700))
  assert.deepEqual(await editConfigFile(file, append('')), { ok: false, reason: 'not-writable' })
})
