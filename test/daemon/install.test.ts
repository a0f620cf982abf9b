import assert from 'node:assert/strict'
import {
  chownSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { ONE } from '../../src/core/report.ts'
import { parseConfig, type Config } from '../../src/daemon/config.ts'
import { installOptions, leaveWatchedLog, rotateAs, unitNotes, type Installation } from '../../src/daemon/install.ts'
import { createWatchedLog } from '../../src/fail2ban/watched-log.ts'
import { prepareFail2ban } from '../fail2ban/server.ts'
import { installInto } from '../fail2ban/shipped.ts'
import { requires } from '../support/requirements.ts'
import { until as eventually } from '../support/until.ts'

const LOG = '/var/log/banmesh/bans.log'

function scratch(t: TestContext): string {
  const root = mkdtempSync(join(tmpdir(), 'banmesh-root-'))
  t.after(() => rmSync(root, { recursive: true }))
  return root
}

function config(text: string, folder: string): Config {
  const read = parseConfig(text, { folder })
  assert.ok(read.ok, JSON.stringify(read))
  return read.config
}

/** An installation of that config, by a program that no system has where it looks for it. */
function installation(root: string, text?: string, folder = '/etc/banmesh'): Installation {
  const program = ['/opt/node/bin/node', '/opt/banmesh/banmesh.js'] as const
  const configured = text === undefined ? null : { path: join(folder, 'banmesh.yaml'), config: config(text, folder) }
  return { root, program, configured }
}

test("A missing watched log is left behind, with the daemon's mode, where the config wants it.", (t) => {
  const root = scratch(t)
  assert.deepEqual(leaveWatchedLog(installation(root)), { path: join(root, LOG), state: 'left' })
  const named = 'handoff: { log: { path: ./logs/x.log } }'
  mkdirSync(join(root, '/etc/banmesh/logs'), { recursive: true })
  assert.equal(leaveWatchedLog(installation(root, named))?.path, join(root, '/etc/banmesh/logs/x.log'))
  assert.ok(existsSync(join(root, '/etc/banmesh/logs/x.log')))
  const { size, mode } = statSync(join(root, LOG))
  assert.deepEqual([size, mode & 0o777], [0, 0o640])
})

test('Whatever the config names, nothing is made but a log, and no folder but the default one.', (t) => {
  const root = scratch(t)
  mkdirSync(join(root, 'etc'))
  for (const name of ['/etc/nologin', '/etc/banmesh/logs/bans.log', '/etc/.log/x']) {
    const named = installation(root, `handoff: { log: { path: ${name} } }`)
    assert.deepEqual(leaveWatchedLog(named), { path: join(root, name), state: 'missing' })
  }
  assert.deepEqual(readdirSync(root, { recursive: true }), ['etc'])
})

test(
  'fail2ban that is started before the daemon sees what the daemon writes later.',
  { skip: requires({ commands: ['fail2ban-server', 'fail2ban-client'] }) },
  async (t) => {
    const server = prepareFail2ban(t, { jails: '' })
    const path = join(server.dir, 'logs/bans.log')
    await installInto(server.dir, { logPath: path })
    mkdirSync(dirname(path), { recursive: true })
    leaveWatchedLog(installation('/', `handoff: { log: { path: ${path} } }`))
    await server.start('banmesh')
    const log = createWatchedLog({ path, now: Date.now })
    const until = Math.floor(Date.now() / 1000) + 600
    log.write([{ event: 'ban', ip: '203.0.113.7', jail: 'sshd', until, score: ONE, origins: 1 }])
    log.close()
    await eventually(async () => (await server.client('get', 'banmesh', 'banip')).includes('203.0.113.7'), 'the ban')
  }
)

test('No log is left over one that is there, through a link, or where none is wanted.', (t) => {
  const root = scratch(t)
  const folder = dirname(join(root, LOG))
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(root, LOG), 'a line\n')
  const state = (): string | undefined => leaveWatchedLog(installation(root))?.state
  assert.equal(state(), 'there')
  assert.equal(readFileSync(join(root, LOG), 'utf8'), 'a line\n')
  rmSync(join(root, LOG))
  symlinkSync(join(root, 'elsewhere'), join(root, LOG))
  assert.equal(state(), 'missing')
  assert.equal(existsSync(join(root, 'elsewhere')), false)
  for (const target of [scratch(t), join(root, 'nowhere')]) {
    rmSync(folder, { recursive: true })
    symlinkSync(target, folder)
    assert.equal(state(), 'missing', target)
    assert.equal(existsSync(join(target, 'bans.log')), false, target)
  }
  rmSync(folder)
  assert.equal(leaveWatchedLog(installation(root, 'handoff: { log: false }')), null)
  assert.equal(existsSync(folder), false)
  writeFileSync(folder, 'a file')
  assert.equal(state(), 'missing')
})

test(
  "The log in a folder of the daemon's user is that user's: systemd would not give it away then.",
  { skip: requires({ root: true }) },
  (t) => {
    const root = scratch(t)
    const folder = dirname(join(root, LOG))
    mkdirSync(folder, { recursive: true })
    chownSync(folder, 12345, 54321)
    leaveWatchedLog(installation(root))
    const { uid, gid } = statSync(join(root, LOG))
    assert.deepEqual([uid, gid], [12345, 54321])
  }
)

test(
  "What is in the log's place is not given away: a file of root's, a link to one.",
  { skip: requires({ root: true }) },
  (t) => {
    const root = scratch(t)
    const folder = join(root, 'srv')
    mkdirSync(folder)
    const secret = join(root, 'secret')
    writeFileSync(secret, 'a secret', { mode: 0o600 })
    linkSync(secret, join(folder, 'hard.log'))
    symlinkSync(secret, join(folder, 'soft.log'))
    symlinkSync(join(root, 'nothing'), join(folder, 'dangling.log'))
    symlinkSync(root, join(folder, 'folder'))
    chownSync(folder, 12345, 54321)
    for (const name of ['hard.log', 'soft.log', 'dangling.log', 'folder/x.log']) {
      leaveWatchedLog(installation(root, `handoff: { log: { path: /srv/${name} } }`))
    }
    const { uid, gid, mode } = statSync(secret)
    assert.deepEqual([uid, gid, mode & 0o777, readFileSync(secret, 'utf8')], [0, 0, 0o600, 'a secret'])
    assert.deepEqual(readdirSync(root).toSorted(), ['secret', 'srv'])
  }
)

test('Logs are rotated as the owner of their folder, by name.', { skip: requires({ root: true }) }, (t) => {
  const root = scratch(t)
  const any = config('dataDir: /srv/data', '/')
  mkdirSync(join(root, 'etc'))
  writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0::/:/bin/sh\nmesh:x:12345:1::/:/bin/sh\n')
  writeFileSync(join(root, 'etc/group'), 'root:x:0:\nfriends:x:54321:mesh\n')
  for (const [folder, uid, gid, expected] of [
    ['/srv/root', 0, 0, null],
    ['/srv/named', 12345, 54321, 'mesh friends'],
    ['/srv/numbered', 12346, 54322, '12346 54322'],
    ['/var/log/banmesh', 0, 0, null]
  ] as const) {
    mkdirSync(join(root, folder), { recursive: true })
    chownSync(join(root, folder), uid, gid)
    assert.equal(rotateAs(folder, any, root), expected, folder)
  }
  assert.equal(rotateAs('/srv/banmesh-not-there', any, root), 'banmesh banmesh', 'as the shipped unit')
  assert.equal(rotateAs('/banmesh-not-there', any, '/'), null, 'whose the folder will be')
  mkdirSync(join(root, 'srv/data'))
  chownSync(join(root, 'srv/data'), 12345, 54321)
  assert.equal(rotateAs('/var/log/banmesh', any, root), 'mesh friends', 'systemd gives it away at the start')
})

test('The command is named in full unless systemd finds it, and the Node.js that it asks for.', (t) => {
  const root = scratch(t)
  const script = join(root, 'banmesh.js')
  const bin = join(root, 'usr/local/bin')
  const node = '/opt/node/bin/node'
  const command = (interpreter: string): readonly string[] | undefined => {
    writeFileSync(script, `#!${interpreter}\n`)
    return installOptions({ root, program: [node, script], configured: null }).unit?.command
  }
  mkdirSync(bin, { recursive: true })
  assert.deepEqual(command('/usr/bin/env node'), [node, script])
  symlinkSync('../lib/banmesh', join(bin, 'banmesh'))
  assert.deepEqual(command('/usr/bin/env node'), [node, script])
  assert.deepEqual(command('/usr/lib/banmesh/bin/node'), [])
  symlinkSync('../lib/node', join(bin, 'node'))
  assert.deepEqual(command('/usr/bin/env node'), [])
})

test('Here it is the running program that systemd has to find, not another one of that name.', () => {
  const program = ['/opt/node/bin/node', join(import.meta.dirname, '../../bin/banmesh.ts')] as const
  assert.deepEqual(installOptions({ root: '/', program, configured: null }).unit, { command: program })
})

test('The unit lets the daemon write where the config says, and nowhere that is not its own.', () => {
  for (const [text, folder, expected] of [
    ['', '/etc/banmesh', ['/etc/banmesh']],
    ['dataDir: .\ncontrol: ./c.sock\nhandoff: { log: { path: ./bans.log } }', '/srv/node', ['/srv/node']],
    ['dataDir: ./data\nlog: { audit: /srv/audit/a.log }', '/opt/node', ['/opt/node', '/srv/audit']],
    ['control: /c.sock\nhandoff: { log: { path: /var/log/bans.log } }', '/etc', []]
  ] as const) {
    const { unit } = installOptions(installation('/', text, folder))
    assert.deepEqual([unit?.config, unit?.writable], [join(folder, 'banmesh.yaml'), expected], text)
  }
})

test('What the hardened unit can not serve is said.', () => {
  const notes = (text: string, folder?: string): string[] =>
    unitNotes(installation('/', text, folder)).map((note) => note.replace('if systemd runs the daemon: ', ''))
  assert.deepEqual(notes(''), [])
  assert.deepEqual(notes('dataDir: .\nhandoff: { log: { path: ./bans.log } }\ncontrol: ./c.sock', '/srv/node'), [])
  assert.deepEqual(notes('dataDir: /home/me/data\nnetworkKey: /root/key'), [
    '/home/me/data is hidden from it, as all of /home: choose another folder',
    '/root/key is hidden from it, as all of /root: choose another folder'
  ])
  assert.deepEqual(notes('control: /run/mesh/c.sock'), [
    'the folder of /run/mesh/c.sock is gone after a reboot, and is not made again: /run/banmesh is'
  ])
  assert.deepEqual(notes('handoff: { log: { path: /var/log/bans.log } }\nlog: { audit: false }'), [
    "/var/log/bans.log is not in a folder of the daemon's own: /var/log is closed to it"
  ])
  assert.deepEqual(notes('', '/srv/a b'), ["/srv/a b/banmesh.yaml can't stand in the unit, which is without it"])
  const atHome = { root: '/nowhere', program: ['/root/.nvm/node', '/opt/banmesh.js'], configured: null } as const
  assert.deepEqual(unitNotes(atHome), [
    'if systemd runs the daemon: /root/.nvm/node is hidden from it, as all of /root: choose another folder'
  ])
  const odd = { ...atHome, program: ['/opt/a b/node', '/opt/banmesh.js'] } as const
  assert.deepEqual(unitNotes(odd), [
    "if systemd runs the daemon: /opt/a b/node /opt/banmesh.js can't stand in the unit, which is without it"
  ])
})
