import { deepEqual, equal, match, ok } from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
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
import { test } from 'node:test'
import { installFiles, writeInstallFiles, type InstallFile } from '../../src/fail2ban/install.ts'
import { LOG_HANDOFF } from '../../src/fail2ban/log-handoff.ts'
import { requires } from '../support/requirements.ts'
import { prepareFail2ban, run } from './server.ts'
import { installInto } from './shipped.ts'

function files(options = {}): Map<string, InstallFile> {
  const result = installFiles(options)
  ok(result.ok)
  return new Map(result.value.map((file) => [file.path, file]))
}

test('The files go where the contract says, below the root, over older ones and nothing else.', async (t) => {
  const root = mkdtempSync(join(tmpdir(), 'banmesh-install-'))
  t.after(() => rmSync(root, { recursive: true }))
  for (let i = 0; i < 2; i++) {
    const written = await writeInstallFiles(root, [...files().values()])
    ok(written.ok)
    for (const path of written.value) equal(statSync(path).mode & 0o777, 0o644)
  }
  const found = readdirSync(root, { recursive: true, withFileTypes: true })
  deepEqual(
    found
      .filter((file) => file.isFile())
      .map((file) => join(file.parentPath, file.name).slice(root.length + 1))
      .sort(),
    [
      'etc/fail2ban/action.d/banmesh.conf',
      'etc/fail2ban/filter.d/banmesh.conf',
      'etc/fail2ban/jail.d/banmesh.conf',
      'etc/logrotate.d/banmesh',
      'etc/systemd/system/banmesh.service',
      'etc/sysusers.d/banmesh.conf'
    ]
  )
})

test('A link that is planted for the unfinished file is not written through.', async (t) => {
  const root = mkdtempSync(join(tmpdir(), 'banmesh-install-'))
  t.after(() => rmSync(root, { recursive: true }))
  const [file] = files().values()
  const target = join(root, file!.path)
  mkdirSync(dirname(target), { recursive: true })
  const theirs = join(root, 'theirs')
  writeFileSync(theirs, 'theirs')
  symlinkSync(theirs, `${target}.banmesh-new`)
  equal((await writeInstallFiles(root, [file!])).ok, true)
  equal(readFileSync(theirs, 'utf8'), 'theirs')
  equal(readFileSync(target, 'utf8'), file!.content)
  ok(lstatSync(target).isFile())
})

test('A root that is no folder is refused.', async (t) => {
  const root = mkdtempSync(join(tmpdir(), 'banmesh-install-'))
  t.after(() => rmSync(root, { recursive: true }))
  writeFileSync(join(root, 'etc'), '')
  deepEqual(await writeInstallFiles(root, [...files().values()]), { ok: false, reason: 'not-writable' })
})

test("The operator's paths stand in every file that names them.", () => {
  const own = files({ logPath: '/srv/b/x.log', fail2banDir: '/opt/f2b', command: '/opt/bin/banmesh' })
  const all = [...own.values()].map(({ content }) => content).join('')
  match(
    own.get('etc/fail2ban/jail.d/banmesh.conf')!.content,
    /^logpath = \/srv\/b\/x\.log\n +\/opt\/f2b\/filter\.d\/banmesh\.conf$/m
  )
  match(own.get('etc/logrotate.d/banmesh')!.content, /^\/srv\/b\/x\.log \{$/m)
  match(own.get('etc/fail2ban/action.d/banmesh.conf')!.content, /^banmesh = \/opt\/bin\/banmesh$/m)
  equal(all.includes('/var/log/banmesh'), false)
  const stock = files()
  match(stock.get('etc/logrotate.d/banmesh')!.content, /^\/var\/log\/banmesh\/\*\.log \{$/m)
  match(stock.get('etc/fail2ban/jail.d/banmesh.conf')!.content, /^logpath = \/var\/log\/banmesh\/bans\.log$/m)
})

test('The unit runs the command with the config, and lets it write where it has to.', () => {
  const command = ['/opt/node/bin/node', '/opt/banmesh/banmesh.js']
  const unit = (config: string, writable: string[]): string =>
    files({ unit: { command, config, writable } }).get('etc/systemd/system/banmesh.service')!.content
  const own = unit('/srv/mesh/banmesh.yaml', ['/srv/data', '/srv/mesh'])
  match(own, /^ExecStart=\/opt\/node\/bin\/node \/opt\/banmesh\/banmesh\.js --config \/srv\/mesh\/banmesh\.yaml run$/m)
  match(own, /^ReadWritePaths=-\/srv\/data -\/srv\/mesh$/m)
  const odd = unit('/srv/%i/banmesh.yaml', ['/srv/%i', '/srv/data'])
  match(odd, /^ExecStart=.* --config \/etc\/banmesh\/banmesh\.yaml run$/m)
  match(odd, /^ReadWritePaths=-\/srv\/data$/m)
  const named = files({ unit: { command: ['/opt/a b/node', '/opt/banmesh.js'] } }).get(
    'etc/systemd/system/banmesh.service'
  )
  equal(named!.content, files().get('etc/systemd/system/banmesh.service')!.content)
})

test("Logs are rotated as their folder's owner, a stanza for each, and as root where it is root's.", () => {
  const text = files({
    logPath: '/srv/mesh/bans.log',
    auditPath: '/srv/audit/audit.log',
    rotateAs: (folder: string) => (folder === '/srv/mesh' ? 'mesh friends' : null)
  }).get('etc/logrotate.d/banmesh')!.content
  const [mesh, audit, ...more] = text.split('}\n\n')
  match(mesh!, /^\/srv\/mesh\/bans\.log \{\n(?:.*\n)* {4}create 0640 mesh friends\n {4}su mesh friends\n$/m)
  match(audit!, /^\/srv\/audit\/audit\.log \{\n(?:.*\n)* {4}create 0640\n/m)
  equal(/^ *su /m.test(audit!), false)
  equal(more.length, 0)
})

test(
  "logrotate takes both stanzas, and as root it leaves another user's folder alone.",
  { skip: requires({ root: true, commands: ['logrotate'] }) },
  async (t) => {
    const dir = mkdtempSync(join(tmpdir(), 'banmesh-logrotate-'))
    t.after(() => rmSync(dir, { recursive: true }))
    chmodSync(dir, 0o755)
    const [uid, gid] = ['-u', '-g'].map((id) => Number(execFileSync('id', [id, 'nobody'])))
    for (const [owner, as, isRotated] of [
      [0, null, true],
      [uid, null, false],
      [uid, `${uid} ${gid}`, true],
      [0, `${uid} ${gid}`, false],
      [0, 'no-such-user no-such-user', false]
    ] as const) {
      const folder = mkdtempSync(join(dir, 'logs-'))
      const log = join(folder, 'bans.log')
      writeFileSync(log, 'a line\n', { mode: 0o640 })
      for (const path of [log, folder]) chownSync(path, owner!, owner === 0 ? 0 : gid!)
      const stanza = files({ logPath: log, rotateAs: () => as }).get('etc/logrotate.d/banmesh')!.content
      writeFileSync(join(dir, 'banmesh'), stanza)
      const { code, stderr } = await run('logrotate', [
        '--force',
        '--state',
        join(folder, 'state'),
        join(dir, 'banmesh')
      ])
      const what = `owner ${owner}, as ${as}: ${code} ${stderr}`
      equal(code === 0, isRotated, what)
      equal(existsSync(`${log}.1`), isRotated, what)
      const { size, mode, uid: kept } = statSync(log)
      deepEqual([size > 0, mode & 0o777, kept], [!isRotated, 0o640, owner], what)
    }
  }
)

test('A path or command that fail2ban or a shell would read as more than that is refused.', () => {
  for (const logPath of [
    'bans.log',
    '/a b',
    '/a\n/b',
    '/a%b',
    '/a*',
    '/a"',
    "/a'",
    '/$a',
    '/a;b',
    `/${'a'.repeat(1001)}`
  ]) {
    deepEqual(installFiles({ logPath }), { ok: false, reason: 'bad-path' }, logPath)
  }
  equal(installFiles({ logPath: `/${'a'.repeat(1000)}` }).ok, true)
  deepEqual(installFiles({ fail2banDir: 'etc' }), { ok: false, reason: 'bad-path' })
  deepEqual(installFiles({ command: 'banmesh; reboot' }), { ok: false, reason: 'bad-command' })
})

test("The jail's ban time leaves time to write a ban again, and its comment says when that is.", () => {
  const jail = files().get('etc/fail2ban/jail.d/banmesh.conf')!.content
  match(jail, /^bantime  = 1h$/m)
  ok(LOG_HANDOFF.renewSeconds + LOG_HANDOFF.lookMs / 1000 + 600 < 3600)
  ok(jail.includes(`every ${LOG_HANDOFF.renewSeconds / 60} minutes`))
})

test(
  'fail2ban accepts the configuration, and takes over what jail.local says.',
  {
    skip: requires({ commands: ['fail2ban-client'] })
  },
  async (t) => {
    const { dir, config } = prepareFail2ban(t, {
      jails: '[DEFAULT]\nbackend = systemd\naction = nothing\n         banmesh\n[banmesh]\nbantime = 2h\n'
    })
    await installInto(dir)
    const { code, stdout, stderr } = await run('fail2ban-client', ['-c', config, '--dp'])
    equal(code, 0, stdout + stderr)
    match(stdout, /'set', 'banmesh', 'bantime', '2h'/)
    match(stdout, /'add', 'banmesh', 'auto'/)
    equal(/'banmesh', 'addaction', 'banmesh'/.test(stdout), false)
  }
)

test('systemd finds no fault with the unit.', { skip: requires({ commands: ['systemd-analyze'] }) }, async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'banmesh-unit-'))
  t.after(() => rmSync(dir, { recursive: true }))
  // By its name alone the command is not to be found where this test runs.
  const command = [process.execPath, join(import.meta.dirname, '../../bin/banmesh.ts')]
  for (const options of [{}, { config: '/srv/mesh/banmesh.yaml', writable: ['/srv/mesh', '/srv/data'] }]) {
    const unit = files({ unit: { ...options, command } }).get('etc/systemd/system/banmesh.service')!.content
    writeFileSync(join(dir, 'banmesh.service'), unit)
    const { code, stderr } = await run('systemd-analyze', ['verify', '--man=no', join(dir, 'banmesh.service')])
    equal(`${code} ${stderr}`, '0 ')
  }
})

test('The texts are plain: nothing in them is wider than a line or other than ASCII.', () => {
  for (const { path, content } of files().values()) {
    equal(/[^\n\x20-\x7e]/.test(content), false, path)
    ok(content.endsWith('\n'), path)
  }
})

test('Every shipped file is installed.', () => {
  const shipped = readdirSync(new URL('../../src/fail2ban/files/', import.meta.url), {
    recursive: true,
    withFileTypes: true
  }).filter((file) => file.isFile())
  const installed = [...files().values()].map(({ content }) => content)
  equal(shipped.length, installed.length)
  for (const { parentPath, name } of shipped) {
    ok(installed.includes(readFileSync(join(parentPath, name), 'utf8')), join(parentPath, name))
  }
})
