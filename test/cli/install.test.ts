import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { createShell } from './shell.ts'

test('banmesh install --root DIR writes below DIR, and says what to do next', async (t) => {
  const shell = createShell(t)
  const { exit, stdout, stderr } = await shell.banmesh('install', '--root', 'root')
  assert.deepEqual([exit, stderr], [0, ''])
  for (const path of ['filter.d', 'jail.d', 'action.d'].map((name) => `root/etc/fail2ban/${name}/banmesh.conf`)) {
    assert.ok(existsSync(join(shell.folder, path)), path)
    assert.match(stdout, new RegExp(`^wrote ${shell.folder}/${path}$`, 'm'))
  }
  assert.match(stdout, /\n {2}\[sshd\]\n {2}action = %\(action_\)s\n {11}banmesh\n$/)
})

test('the jail watches the log that the config names', async (t) => {
  const shell = createShell(t)
  shell.write('banmesh.yaml', 'handoff: { log: { path: logs/bans.log } }')
  const { stdout } = await shell.banmesh('install', '--print')
  assert.match(stdout, new RegExp(`^logpath = ${shell.folder}/logs/bans.log$`, 'm'))
  assert.equal(existsSync(join(shell.folder, 'etc')), false)
  const files = (await shell.json('install', '--print')) as { path: string }[]
  assert.ok(files.some(({ path }) => path === 'etc/fail2ban/jail.d/banmesh.conf'))
})

test('a log whose path fail2ban could read otherwise is refused, and so is a folder that can not be written', async (t) => {
  const shell = createShell(t)
  shell.write('banmesh.yaml', 'handoff: { log: { path: "a b/%(x)s.log" } }')
  const odd = await shell.banmesh('install', '--root', 'root')
  assert.equal(odd.exit, 1)
  assert.match(odd.stderr, /^banmesh: error: the path of handoff\.log can't stand in their files: /)
  shell.write('banmesh.yaml', '')
  const closed = await shell.banmesh('install', '--root', 'banmesh.yaml')
  assert.equal(closed.exit, 1)
  assert.match(closed.stderr, /^banmesh: error: can't write below .*banmesh\.yaml\n/)
})
