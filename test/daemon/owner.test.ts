import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { createFile, inFolder } from '../../src/daemon/owner.ts'
import { requires } from '../support/requirements.ts'

const skip = requires({ root: true, commands: ['setpriv'] })
const MOST_LINKS = 40

/** A new folder, and how to name what is in it. */
function scratch(t: TestContext, parent = tmpdir()): { folder: string; at: (name: string) => string } {
  const folder = fs.mkdtempSync(join(parent, 'banmesh-owner-'))
  t.after(() => fs.rmSync(folder, { recursive: true }))
  return { folder, at: (name) => join(folder, name) }
}

function strange(t: TestContext): ReturnType<typeof scratch> {
  const made = scratch(t)
  fs.chownSync(made.folder, 12345, 54321)
  return made
}

function owner(path: string): string {
  const { uid, gid } = fs.statSync(path)
  return `${uid}:${gid}`
}

function create(folder: string, options: { make?: boolean; links?: boolean } = {}): void {
  inFolder(folder, options, (entered) => createFile(`${entered.path}/file`, 'text', 0o600, entered.owner))
}

test("What root makes in another user's folder is that user's, folders with it.", { skip }, (t) => {
  const { folder, at } = strange(t)
  create(at('a/b'), { make: true })
  for (const name of ['a', 'a/b', 'a/b/file']) assert.equal(owner(at(name)), '12345:54321', name)
  assert.equal(fs.readFileSync(at('a/b/file'), 'utf8'), 'text')
  create(folder, { make: true })
  assert.deepEqual([process.geteuid?.(), process.getegid?.()], [0, 0])
  assert.throws(() => create(at('x/y')), { code: 'ENOENT' })
})

test('A folder that is there already keeps its owner, and what is made in it is the same.', { skip }, (t) => {
  const { at } = strange(t)
  fs.mkdirSync(at('a'))
  create(at('a/b'), { make: true })
  for (const name of ['a', 'a/b', 'a/b/file']) assert.equal(owner(at(name)), '0:0', name)
})

test('What is there already is neither written nor given away, nor what it leads to.', { skip }, (t) => {
  const { folder, at } = strange(t)
  const other = scratch(t)
  const secret = other.at('secret')
  fs.writeFileSync(secret, 'secret', { mode: 0o600 })
  const plants = [
    () => fs.symlinkSync(secret, at('file')),
    () => fs.symlinkSync(other.at('absent'), at('file')),
    () => fs.linkSync(secret, at('file')),
    () => fs.mkdirSync(at('file'))
  ]
  for (const plant of plants) {
    plant()
    assert.throws(() => create(folder), { code: 'EEXIST' })
    fs.rmSync(at('file'), { recursive: true })
  }
  assert.deepEqual([owner(secret), fs.readFileSync(secret, 'utf8')], ['0:0', 'secret'])
  assert.deepEqual(fs.readdirSync(other.folder), ['secret'])
})

test("In another user's folder no link is followed, to a folder or through one.", { skip }, (t) => {
  const { at } = strange(t)
  const other = scratch(t)
  fs.mkdirSync(other.at('sub'))
  fs.mkdirSync(at('roots'))
  fs.symlinkSync(other.folder, at('link'))
  fs.symlinkSync(other.folder, at('roots/link'))
  fs.symlinkSync(other.at('absent'), at('dangling'))
  for (const name of ['link', 'link/sub', 'link/new', 'roots/link', 'dangling', 'dangling/new']) {
    assert.throws(() => create(at(name), { make: true }), { code: 'ENOTDIR' }, name)
  }
  assert.deepEqual(fs.readdirSync(other.folder, { recursive: true }), ['sub'])
  assert.deepEqual([owner(other.folder), owner(other.at('sub'))], ['0:0', '0:0'])
})

test('A folder that is exchanged for a link while we are in it stays the one that was entered.', { skip }, (t) => {
  const { at } = strange(t)
  const other = scratch(t)
  fs.mkdirSync(at('a'))
  fs.chownSync(at('a'), 12345, 54321)
  inFolder(at('a'), {}, (entered) => {
    fs.renameSync(at('a'), at('moved'))
    fs.symlinkSync(other.folder, at('a'))
    createFile(`${entered.path}/file`, '', 0o600, entered.owner)
  })
  assert.equal(owner(at('moved/file')), '12345:54321')
  assert.deepEqual(fs.readdirSync(other.folder), [])
})

test(
  "Links of root's are followed, as many as the kernel does, where nobody else can have put them.",
  { skip },
  (t) => {
    const { at } = scratch(t, '/run')
    fs.mkdirSync(at('real/sub'), { recursive: true })
    fs.symlinkSync('real', at('relative'))
    fs.symlinkSync(at('relative/sub/../sub'), at('absolute'))
    create(at('absolute/new'), { make: true })
    assert.ok(fs.existsSync(at('real/sub/new/file')))
    fs.symlinkSync('real', at('1'))
    for (let n = 2; n <= MOST_LINKS + 1; n++) fs.symlinkSync(String(n - 1), at(String(n)))
    create(at(String(MOST_LINKS)))
    fs.rmSync(at('real/file'))
    assert.throws(() => create(at(String(MOST_LINKS + 1))), { code: 'ENOTDIR' })
    assert.throws(() => create(at('relative'), { links: false }), { code: 'ENOTDIR' })
    fs.chmodSync(at('.'), 0o770)
    assert.throws(() => create(at('relative')), { code: 'ENOTDIR' })
    assert.deepEqual(fs.readdirSync(at('real')), ['sub'])
  }
)

/** In a process with other rights: makes `made/file` in the folder. */
function createWith(folder: string, ...rights: string[]): string[] {
  const script = `import { createFile, inFolder } from '${join(import.meta.dirname, '../../src/daemon/owner.ts')}'
    inFolder('${folder}/made', { make: true }, ({ path, owner }) => createFile(path + '/file', '', 0o600, owner))`
  execFileSync('setpriv', [...rights, process.execPath, '--input-type=module', '-e', script])
  return [owner(join(folder, 'made')), owner(join(folder, 'made/file'))]
}

test('Folders are made by their owner, and never given away, which could be done to another one.', { skip }, (t) => {
  const { folder } = strange(t)
  assert.deepEqual(createWith(folder, '--bounding-set=-chown'), ['12345:54321', '0:0'])
})

test('Without any right to give things away they are made all the same.', { skip }, (t) => {
  const { folder } = strange(t)
  assert.deepEqual(createWith(folder, '--bounding-set=-chown,-setuid,-setgid'), ['0:0', '0:0'])
})

test('Who is not root makes what is its own, and may follow links.', { skip }, (t) => {
  const { folder, at } = strange(t)
  fs.mkdirSync(at('real'))
  fs.chownSync(at('real'), 12345, 54321)
  fs.symlinkSync('real', at('link'))
  const rights = ['--reuid=12345', '--regid=54321', '--clear-groups']
  assert.deepEqual(createWith(join(folder, 'link'), ...rights), ['12345:54321', '12345:54321'])
})
