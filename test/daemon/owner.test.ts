import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chownSync, linkSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { giveToOwnerOf, makeFolder } from '../../src/daemon/owner.ts'
import { requires } from '../support/requirements.ts'

const skip = requires({ root: true, commands: ['setpriv'] })

/** A folder of somebody else's, and how to name what is in it. */
function strange(t: TestContext): { folder: string; at: (name: string) => string } {
  const folder = mkdtempSync(join(tmpdir(), 'banmesh-owner-'))
  t.after(() => rmSync(folder, { recursive: true }))
  chownSync(folder, 12345, 54321)
  return { folder, at: (name) => join(folder, name) }
}

function owner(path: string): string {
  const { uid, gid } = statSync(path)
  return `${uid}:${gid}`
}

test("What root makes in another user's folder is that user's, folders with it.", { skip }, (t) => {
  const { folder, at } = strange(t)
  makeFolder(at('a/b'))
  writeFileSync(at('a/b/file'), '')
  giveToOwnerOf(at('a/b'), at('a/b/file'))
  for (const name of ['a', 'a/b', 'a/b/file']) assert.equal(owner(at(name)), '12345:54321', name)
  makeFolder(folder)
})

test('A folder that is there already keeps its owner.', { skip }, (t) => {
  const { at } = strange(t)
  mkdirSync(at('a'))
  makeFolder(at('a/b'))
  assert.deepEqual([owner(at('a')), owner(at('a/b'))], ['0:0', '0:0'])
})

test('Whoever puts another file in the place of the new one gets neither.', { skip }, (t) => {
  const { folder, at } = strange(t)
  const other = mkdtempSync(join(tmpdir(), 'banmesh-other-'))
  t.after(() => rmSync(other, { recursive: true }))
  const target = join(other, 'secret')
  writeFileSync(target, '')
  symlinkSync(target, at('link'))
  linkSync(target, at('hard'))
  for (const name of ['link', 'hard', 'absent']) giveToOwnerOf(folder, at(name))
  assert.equal(owner(target), '0:0')
})

test('Without the right to give files away they are made all the same.', { skip }, (t) => {
  const { at } = strange(t)
  const script = `import { giveToOwnerOf } from '${join(import.meta.dirname, '../../src/daemon/owner.ts')}'
    import { writeFileSync } from 'node:fs'
    writeFileSync('file', '')
    giveToOwnerOf('.', 'file')`
  const args = ['--bounding-set=-chown', process.execPath, '--input-type=module', '-e', script]
  execFileSync('setpriv', args, { cwd: at('.') })
  assert.equal(owner(at('file')), '0:0')
})
