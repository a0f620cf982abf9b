import assert from 'node:assert/strict'
import { chownSync, existsSync, mkdirSync, readdirSync, statSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { requires } from '../support/requirements.ts'
import { createShell } from './shell.ts'

test('banmesh init', async (t) => {
  const shell = createShell(t)
  const { exit, stdout, stderr } = await shell.banmesh('init')
  assert.equal(exit, 0)
  assert.equal(stderr, '')
  const [config, key, peer, , ...next] = stdout.trimEnd().split('\n')
  assert.equal(config, `wrote ${shell.folder}/banmesh.yaml`)
  assert.equal(key, `wrote ${shell.folder}/identity.key (keep it secret: it is this node)`)
  assert.match(peer!, /^peer ID: 12D3KooW\w+$/)
  assert.deepEqual(next, [
    'next: give a friend the line that this prints, and add the line that the friend gives you',
    '  banmesh invite',
    '  banmesh friend add INVITE --name alice',
    '  banmesh run'
  ])
  assert.equal(statSync(join(shell.folder, 'identity.key')).mode & 0o777, 0o600)
  assert.match(shell.read('banmesh.yaml'), /^dataDir: \. /m)
  assert.match((await shell.banmesh('id')).stdout, new RegExp(`^${peer!.slice('peer ID: '.length)}\n`))
})

test('banmesh init --dir DIR makes the folder, and says how to use it', async (t) => {
  const shell = createShell(t)
  const { exit, stdout } = await shell.banmesh('init', '--dir', 'a/b')
  assert.equal(exit, 0)
  assert.match(stdout, /^ {2}banmesh --config a\/b\/banmesh.yaml run$/m)
  const spaced = await shell.banmesh('init', '--dir', "it's here")
  assert.match(spaced.stdout, /^ {2}banmesh --config 'it'\\''s here\/banmesh.yaml' run$/m)
  assert.deepEqual(await shell.json('--config', 'a/b/banmesh.yaml', 'id'), {
    ...((await shell.json('--config', 'a/b/banmesh.yaml', 'id')) as object),
    network: 'default'
  })
})

test('banmesh init --json', async (t) => {
  const shell = createShell(t)
  const made = (await shell.json('init')) as Record<string, string>
  assert.deepEqual(Object.keys(made), ['peerId', 'config', 'identity'])
  assert.equal(made['config'], join(shell.folder, 'banmesh.yaml'))
})

test('banmesh init overwrites neither the config nor the key', async (t) => {
  for (const name of ['banmesh.yaml', 'identity.key']) {
    const shell = createShell(t)
    shell.write(name, 'mine')
    const { exit, stdout, stderr } = await shell.banmesh('init')
    assert.equal(exit, 1)
    assert.equal(stdout, '')
    assert.match(
      stderr,
      new RegExp(`^banmesh: error: .*/${name} exists already and is not overwritten\nbanmesh: hint: .*\n$`)
    )
    assert.equal(shell.read(name), 'mine')
    assert.equal(existsSync(join(shell.folder, name === 'banmesh.yaml' ? 'identity.key' : 'banmesh.yaml')), false)
  }
})

test('banmesh init says what it can not write', async (t) => {
  const shell = createShell(t)
  shell.write('file', '')
  const { exit, stderr } = await shell.banmesh('init', '--dir', 'file/x')
  assert.equal(exit, 1)
  assert.match(stderr, /^banmesh: error: .*file\/x can't be written \(ENOTDIR\)\n$/)
  mkdirSync(join(shell.folder, 'other/banmesh.yaml'), { recursive: true })
  assert.equal((await shell.banmesh('init', '--dir', 'other')).exit, 1)
})

test("banmesh init follows no link in another user's folder", { skip: requires({ root: true }) }, async (t) => {
  const shell = createShell(t)
  const at = (name: string): string => join(shell.folder, name)
  mkdirSync(at('theirs'))
  mkdirSync(at('ours'))
  symlinkSync(at('ours'), at('theirs/link'))
  symlinkSync(at('ours/config'), at('theirs/banmesh.yaml'))
  chownSync(at('theirs'), 12345, 54321)
  for (const dir of ['theirs/link', 'theirs/link/new', 'theirs']) {
    const { exit, stderr } = await shell.banmesh('init', '--dir', dir)
    assert.equal(exit, 1, stderr)
  }
  assert.deepEqual(readdirSync(at('ours')), [])
  assert.deepEqual(readdirSync(at('theirs')).toSorted(), ['banmesh.yaml', 'link'])
})
