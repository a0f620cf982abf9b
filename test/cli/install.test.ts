import assert from 'node:assert/strict'
import { existsSync, mkdirSync, statSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { run } from '../fail2ban/server.ts'
import { requires } from '../support/requirements.ts'
import { BANMESH, createShell, LOOPBACK } from './shell.ts'

test('banmesh install --root DIR writes below DIR, and says what to do next', async (t) => {
  const shell = createShell(t)
  const { exit, stdout } = await shell.banmesh('install', '--root', 'root')
  assert.equal(exit, 0)
  assert.match(stdout, /^(?:no config was found: the files are as shipped|as \/etc\/banmesh\/banmesh\.yaml says:)\n/)
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

test('the watched log is there before the daemon is, below the root, and is not overwritten', async (t) => {
  const shell = createShell(t)
  const log = 'root/var/log/banmesh/bans.log'
  const { stdout } = await shell.banmesh('install', '--root', 'root')
  assert.match(stdout, new RegExp(`^wrote ${shell.folder}/${log}, empty: .*$`, 'm'))
  assert.deepEqual([statSync(join(shell.folder, log)).size, statSync(join(shell.folder, log)).mode & 0o777], [0, 0o640])
  shell.write(log, 'a line\n')
  const { written } = (await shell.json('install', '--root', 'root')) as { written: string[] }
  assert.equal(written.includes(join(shell.folder, log)), false)
  assert.equal(shell.read(log), 'a line\n')
  await shell.banmesh('install', '--root', 'shown', '--print')
  assert.equal(existsSync(join(shell.folder, 'shown')), false)
  mkdirSync(join(shell.folder, 'linked'))
  symlinkSync(shell.folder, join(shell.folder, 'linked/var'))
  const { exit, stderr } = await shell.banmesh('install', '--root', 'linked')
  assert.equal(exit, 0)
  assert.ok(stderr.includes(`${shell.folder}/linked/var/log/banmesh/bans.log can't be made: start the daemon before`))
  assert.equal(existsSync(join(shell.folder, 'log')), false)
  shell.write('banmesh.yaml', 'handoff: { log: false }')
  await shell.banmesh('install', '--root', 'other')
  assert.equal(existsSync(join(shell.folder, 'other/var')), false)
})

test('the unit runs this program with this config, and says what it can not serve', async (t) => {
  const shell = createShell(t)
  mkdirSync(join(shell.folder, 'node'))
  shell.write('node/banmesh.yaml', JSON.stringify({ ...LOOPBACK, dataDir: '/srv/banmesh-data' }))
  const { stdout, stderr } = await shell.banmesh('--config', 'node/banmesh.yaml', 'install', '--root', 'root')
  const folder = join(shell.folder, 'node')
  assert.ok(stdout.startsWith(`as ${folder}/banmesh.yaml says:\n`), stdout)
  const unit = shell.read('root/etc/systemd/system/banmesh.service')
  assert.ok(unit.includes(`\nExecStart=${process.execPath} ${BANMESH} --config ${folder}/banmesh.yaml run\n`), unit)
  assert.ok(unit.includes(`\nReadWritePaths=-/srv/banmesh-data -${folder}\n`), unit)
  assert.ok(
    stderr.includes(`if systemd runs the daemon: ${folder}/banmesh.yaml is hidden from it, as all of /tmp:`),
    stderr
  )
})

test(
  'the unit names the command alone where systemd finds this very program, with this very Node.js',
  { skip: requires({ root: true, commands: ['unshare', 'mount'] }) },
  async (t) => {
    const shell = createShell(t)
    const start = async (node: string, script: string): Promise<string> => {
      // The folder is this process's own.
      const line = `mount -t tmpfs none /usr/local/bin && cd /usr/local/bin &&
        ln -s ${node} node && ln -s ${script} banmesh && ${process.execPath} ${BANMESH} install --print`
      const { stdout } = await run('unshare', ['-m', 'sh', '-c', line], { PATH: '/usr/bin:/bin', HOME: shell.folder })
      return /^ExecStart=(.*) --config /m.exec(stdout)?.[1] ?? stdout
    }
    assert.equal(await start(process.execPath, BANMESH), 'banmesh')
    assert.equal(await start('/bin/true', BANMESH), `${process.execPath} ${BANMESH}`)
    assert.equal(await start(process.execPath, '/bin/true'), `${process.execPath} ${BANMESH}`)
  }
)
