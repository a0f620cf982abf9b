/** `banmesh doctor` before broken set-ups: each is made, found, and mended by what doctor says. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import type { Check } from '../../src/cli/doctor/check.ts'
import { prepareFail2ban, run, type Fail2banServer, type Output } from '../fail2ban/server.ts'
import { requires } from '../support/requirements.ts'
import { until } from '../support/until.ts'
import { createShell, LOOPBACK, startDaemon, type RunningDaemon, type Shell } from './shell.ts'

const BANMESH = join(import.meta.dirname, '../../bin/banmesh.ts')

interface Report {
  readonly problems: number
  readonly warnings: number
  readonly checks: readonly Check[]
}

interface Patient {
  readonly shell: Shell
  readonly server: Fail2banServer
  daemon: RunningDaemon
  /** A command line in the patient's shell and network namespace. */
  type(line: string): Promise<Output>
  report(): Promise<Report>
  /** What is not in order, as `STATE NAME`. */
  complaints(): Promise<string[]>
  complaint(name: string): Promise<Check>
  reloadFail2ban(): Promise<void>
}

const NAMESPACE = `bm-doctor-${process.pid}`
const PORT = 20_000 + (process.pid % 20_000)

const DETECTOR = `[sshd]
enabled = true
backend = polling
logpath = AUTH_LOG
action = %(action_)s
         banmesh
`

async function createPatient(t: TestContext): Promise<Patient> {
  execFileSync('ip', ['netns', 'add', NAMESPACE])
  t.after(() => execFileSync('ip', ['netns', 'del', NAMESPACE]))
  const shell = createShell(t)
  const server = prepareFail2ban(t, { jails: '', namespace: NAMESPACE })
  const { dir, config, socket } = server
  const authLog = join(dir, 'auth.log')
  writeFileSync(authLog, '')
  writeFileSync(join(config, 'jail.local'), DETECTOR.replace('AUTH_LOG', authLog))
  const nft =
    '[DEFAULT]\nbackend = polling\nignoreself = false\nbanaction = nftables-multiport\nbanaction_allports = nftables-allports\n'
  writeFileSync(join(config, 'jail.d/00-test.conf'), nft)

  mkdirSync(join(dir, 'bin'))
  const program = (name: string, line: string): void => {
    writeFileSync(join(dir, 'bin', name), `#!/bin/sh\n${line}\n`, { mode: 0o755 })
  }
  const env = { PATH: `${join(dir, 'bin')}:${process.env['PATH']}`, HOME: shell.folder }
  program('fail2ban-client', `exec /usr/bin/fail2ban-client -c ${config} -s ${socket} -p ${dir}/pid "$@"`)
  program('banmesh', `exec ${process.execPath} ${BANMESH} --config ${shell.folder}/banmesh.yaml "$@"`)
  const type = (line: string): Promise<Output> =>
    run('ip', ['netns', 'exec', NAMESPACE, 'sh', '-c', `cd ${shell.folder} && ${line}`], env)
  const report = async (): Promise<Report> => {
    const { stdout } = await type(`banmesh --json doctor --root ${dir}`)
    return JSON.parse(stdout) as Report
  }

  assert.equal((await shell.banmesh('init')).exit, 0)
  const handoff = { log: { path: join(dir, 'log/bans.log') }, fail2ban: { enabled: false, socket } }
  shell.write('banmesh.yaml', JSON.stringify({ ...LOOPBACK, handoff, listen: [`/ip4/127.0.0.1/tcp/${PORT}`] }))
  const daemon = await startDaemon(t, shell)
  assert.equal((await type(`banmesh install --root ${dir}`)).code, 0)
  await until(() => statSync(join(dir, 'log/bans.log'), { throwIfNoEntry: false }) !== undefined, 'the watched log')
  await server.start('banmesh', 'sshd')

  return {
    shell,
    server,
    daemon,
    type,
    report,
    async complaints() {
      const { checks } = await report()
      return checks.filter(({ state }) => state !== 'ok').map(({ state, name }) => `${state} ${name}`)
    },
    async complaint(name) {
      const { checks } = await report()
      const found = checks.find((check) => check.name === name && check.state !== 'ok')
      assert.ok(found, `a complaint about ${name} among ${JSON.stringify(checks)}`)
      return found
    },
    async reloadFail2ban() {
      // Without --restart a running jail gets no new action.
      assert.equal((await type('fail2ban-client reload --restart')).code, 0)
    }
  }
}

const skip = requires({ root: true, commands: ['fail2ban-server', 'fail2ban-client', 'nft', 'ip'] })

test('doctor finds what is broken, and its advice mends it', { skip }, async (t) => {
  const patient = await createPatient(t)
  const { shell, server, type } = patient
  const healthy = ['warning friends']
  const file = (name: string): string => join(server.config, name)

  /** Breaks something, sees that doctor finds it and nothing is well before its command was run. */
  async function mends(name: string, message: RegExp, wreck: () => unknown): Promise<void> {
    await wreck()
    const check = await patient.complaint(name)
    assert.match(check.message, message)
    assert.ok(check.run, `a command for ${check.message}`)
    const { code, stderr, stdout } = await type(check.run)
    assert.equal(code, 0, `${check.run}: ${stdout}${stderr}`)
    assert.deepEqual(await patient.complaints(), healthy, `after ${check.run}`)
  }

  await t.test('a set-up that is well, but for friends', async () => {
    assert.deepEqual(await patient.complaints(), healthy)
    const { code, stdout } = await type(`banmesh doctor --root ${server.dir}`)
    assert.equal(code, 0)
    assert.match(stdout, /^ok {7}jail {6}banmesh is there$/m)
    assert.match(stdout, /^warning {2}friends {3}there are none yet\n {19}fix: give a friend the line/m)
    assert.match(stdout, /\n\n0 problems, 1 warning\n$/)
  })

  await t.test('1. a key that others can read', () =>
    mends('key', /^others may use /, () => chmodSync(join(shell.folder, 'identity.key'), 0o644))
  )

  await t.test('2. a control socket that everybody may use', () =>
    mends('socket', /lets every user of this machine ban/, () => chmodSync(join(shell.folder, 'control.sock'), 0o666))
  )

  await t.test('3. hand-offs that were paused and forgotten', () =>
    mends('mode', /^paused/, async () => assert.equal((await type('banmesh pause')).code, 0))
  )

  await t.test('4. a jail that is not there', () =>
    mends('jail', /^fail2ban has no jail banmesh$/, async () => {
      rmSync(file('jail.d/banmesh.conf'))
      await patient.reloadFail2ban()
    })
  )

  await t.test('5. a filter that was overwritten', () =>
    mends('filter', /is not the shipped one/, async () => {
      writeFileSync(file('filter.d/banmesh.conf'), '[Definition]\nfailregex = ^something <HOST>$\n')
      await patient.reloadFail2ban()
    })
  )

  await t.test('6. an action that is missing', () =>
    mends('action', /action\.d\/banmesh\.conf is missing$/, () => rmSync(file('action.d/banmesh.conf')))
  )

  await t.test('7. a jail that watches another log', async () => {
    const before = readFileSync(file('jail.local'), 'utf8')
    await mends('logpath', /^banmesh watches .*auth\.log, not .*log\/bans\.log$/, async () => {
      writeFileSync(file('jail.local'), `${before}[banmesh]\nlogpath = ${join(server.dir, 'auth.log')}\n`)
      await patient.reloadFail2ban()
    })
    writeFileSync(file('jail.local'), before)
    await patient.reloadFail2ban()
  })

  await t.test('8. a ban that is listed and not in the firewall', async () => {
    await type('fail2ban-client set banmesh banip 203.0.113.7 2001:db8::7')
    assert.deepEqual(await patient.complaints(), healthy)
    await mends('enforced', /^1 of 2 bans of banmesh are listed and not in the firewall, such as 203\.0\.113\.7$/, () =>
      type('nft flush set inet f2b-table addr-set-banmesh')
    )
  })

  await t.test('9. logs that nobody rotates', () =>
    mends('rotation', /^nothing rotates .*bans\.log/, () => rmSync(join(server.dir, 'etc/logrotate.d/banmesh')))
  )

  await t.test('10. no jail that tells banmesh', async () => {
    const before = readFileSync(file('jail.local'), 'utf8')
    writeFileSync(file('jail.local'), before.replace(/\n {9}banmesh/, ''))
    await patient.reloadFail2ban()
    const { message, fix } = await patient.complaint('action')
    assert.equal(message, 'no jail tells banmesh: friends hear nothing from this node')
    assert.match(fix!, /action = %\(action_\)s, and banmesh in the next line, indented/)
    writeFileSync(file('jail.local'), before)
    await patient.reloadFail2ban()
    assert.deepEqual(await patient.complaints(), healthy)
  })

  await t.test('11. the jail of the mesh that would send it all back', async () => {
    const before = readFileSync(file('jail.local'), 'utf8')
    writeFileSync(file('jail.local'), `${before}[banmesh]\naction = %(action_)s\n         banmesh\n`)
    await patient.reloadFail2ban()
    assert.match((await patient.complaint('jail')).fix!, /^take banmesh out of the action of \[banmesh\]/)
    writeFileSync(file('jail.local'), before)
    await patient.reloadFail2ban()
    assert.deepEqual(await patient.complaints(), healthy)
  })

  await t.test('12. a config with an error, and one with a bad friend', async () => {
    const before = shell.read('banmesh.yaml')
    shell.write('banmesh.yaml', before.replace('{', '{"annouce": [],'))
    assert.match((await patient.complaint('config')).message, /banmesh\.yaml:1:2: annouce: unknown key$/)
    shell.write('banmesh.yaml', before.replace('{', '{"friends": [{"id": "nobody"}],'))
    assert.match((await patient.complaint('config')).message, /friends\[0\]\.id: must be a peer ID/)
    assert.equal((await type('banmesh friend remove nobody')).code, 0)
    assert.deepEqual(await patient.complaints(), healthy)
    shell.write('banmesh.yaml', before)
  })

  await t.test('13. fail2ban that does not run', async () => {
    await server.stop()
    const { message, run: command } = await patient.complaint('fail2ban')
    assert.equal(message, `no server answers on ${server.socket}`)
    assert.equal(command, 'systemctl start fail2ban')
    await server.start('banmesh', 'sshd')
    assert.deepEqual(await patient.complaints(), healthy)
  })

  await t.test('14. an action that leaves its events where nobody reads them', async () => {
    const before = readFileSync(file('jail.local'), 'utf8')
    await mends('spool', /of sshd leaves its events in \/nowhere, and the daemon reads .*\/spool$/, async () => {
      writeFileSync(file('jail.local'), before.replace(/^ {9}banmesh$/m, '         banmesh[spool="/nowhere"]'))
      await patient.reloadFail2ban()
    })
    writeFileSync(file('jail.local'), before)
    await patient.reloadFail2ban()
  })

  await t.test('15. a jail that only the policy knows', async () => {
    const before = shell.read('banmesh.yaml')
    const config = JSON.parse(before) as { handoff: { fail2ban: object } }
    config.handoff.fail2ban = { ...config.handoff.fail2ban, enabled: true }
    shell.write('banmesh.yaml', JSON.stringify({ ...config, policy: { jails: { nginx: { jail: 'web-mesh' } } } }))
    const { message, fix } = await patient.complaint('jail')
    assert.equal(message, 'fail2ban has no jail web-mesh, which policy.jails names')
    assert.match(fix!, /^add \[web-mesh\] to jail\.local/)
    const local = readFileSync(file('jail.local'), 'utf8')
    const jail = '[web-mesh]\nenabled = true\nfilter = sshd\nlogpath = /dev/null\n'
    writeFileSync(file('jail.local'), `${local}${jail}action =\n`)
    await patient.reloadFail2ban()
    assert.equal((await patient.complaint('jail')).message, 'web-mesh has no action: it lists and blocks nothing')
    writeFileSync(file('jail.local'), `${local}${jail}`)
    await patient.reloadFail2ban()
    assert.deepEqual(await patient.complaints(), healthy)
    writeFileSync(file('jail.local'), local)
    shell.write('banmesh.yaml', before)
    await patient.reloadFail2ban()
  })

  await t.test('16. a daemon that does not run, for its port is taken', async () => {
    await patient.daemon.signal('SIGTERM')
    const thief = createServer()
    await new Promise<void>((resolve) => thief.listen(PORT, '127.0.0.1', resolve))
    // Where the port is: the namespace of the daemon and the thief.
    const { stdout } = await run(process.execPath, [
      BANMESH,
      '--json',
      '--config',
      join(shell.folder, 'banmesh.yaml'),
      'doctor'
    ])
    const { checks } = JSON.parse(stdout) as Report
    assert.ok(
      checks.some(
        ({ name, state, run: command }) =>
          name === 'daemon' && state === 'problem' && command === 'systemctl start banmesh'
      )
    )
    const ports = checks.find(({ name }) => name === 'ports')!
    assert.equal(ports.message, `port ${PORT} of 127.0.0.1 is taken by another program`)
    assert.match(ports.fix!, new RegExp(`^ss -ltnp "sport = :${PORT}" shows who has it`))
    await new Promise((resolve) => thief.close(resolve))
    patient.daemon = await startDaemon(t, shell)
    assert.deepEqual(await patient.complaints(), healthy)
  })
})

test(
  'a logrotate file that is for other logs, or that logrotate refuses, is none',
  { skip: requires({ root: true, commands: ['logrotate'] }) },
  async (t) => {
    const shell = createShell(t)
    chmodSync(shell.folder, 0o755)
    shell.write('banmesh.yaml', JSON.stringify({ ...LOOPBACK, dataDir: 'data', log: { audit: false } }))
    const file = join(shell.folder, 'etc/logrotate.d/banmesh')
    const rotation = async (): Promise<string[]> => {
      const { checks } = (await shell.json('doctor', '--root', '.')) as Report
      return checks.filter(({ name }) => name === 'rotation').map(({ state, message }) => `${state} ${message}`)
    }
    const install = async (): Promise<string> => {
      assert.equal((await shell.banmesh('install', '--root', '.')).exit, 0)
      return readFileSync(file, 'utf8')
    }
    const log = join(shell.folder, 'bans.log')
    const well = [`ok logrotate takes care of ${log}`]
    assert.deepEqual(await rotation(), [`warning nothing rotates ${log} (0 MB)`])
    const named = (await shell.json('--config', 'banmesh.yaml', 'doctor', '--root', '.')) as Report
    const command = named.checks.find(({ name }) => name === 'rotation')?.run
    assert.equal(command, `banmesh --config banmesh.yaml install --root ${shell.folder}`)
    const asRoot = await install()
    assert.deepEqual(await rotation(), well)
    for (const [wrong, complaint] of [
      [asRoot.replace('weekly', 'su nobody-at-all root'), /: .*unknown user 'nobody-at-all'$/],
      [asRoot.replace('rotate 4', 'rotate few'), /^warning logrotate does not take .*: .*bad rotation count/],
      [asRoot.replace('weekly', 'su nobody root'), / is for logs of nobody, and .* belongs to root$/]
    ] as const) {
      writeFileSync(file, wrong)
      assert.match((await rotation()).join(), complaint)
    }
    writeFileSync(file, asRoot)
    chmodSync(file, 0o666)
    assert.match((await rotation()).join(), /^warning logrotate does not take .*writable by group or others/)
    await install()
    // Below this root the folder of the log is there again; what is meant is the one outside.
    rmSync(join(shell.folder, 'tmp'), { recursive: true, force: true })
    chownSync(shell.folder, 65534, 65534)
    assert.match((await rotation()).join(), / is for logs of root, and .* belongs to nobody$/)
    assert.match(await install(), /^ +su nobody nogroup$/m)
    rmSync(join(shell.folder, 'tmp'), { recursive: true, force: true })
    assert.deepEqual(await rotation(), well)
  }
)

test('a disk that is nearly full is found', { skip: requires({ root: true, commands: ['mount'] }) }, async (t) => {
  const shell = createShell(t)
  const small = join(shell.folder, 'small')
  mkdirSync(small)
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'none', small])
  shell.write('banmesh.yaml', JSON.stringify({ ...LOOPBACK, dataDir: 'small' }))
  const disk = async (): Promise<Check> =>
    ((await shell.json('doctor')) as Report).checks.find(({ name }) => name === 'disk')!
  try {
    assert.partialDeepStrictEqual(await disk(), { state: 'problem', message: `only 1 MB are free in ${small}` })
    execFileSync('mount', ['-o', 'remount,size=300m', small])
    assert.equal((await disk()).state, 'ok')
  } finally {
    execFileSync('umount', [small])
  }
})

test(
  'without a config doctor says how to make one',
  { skip: statSync('/etc/banmesh/banmesh.yaml', { throwIfNoEntry: false }) !== undefined },
  async (t) => {
    const shell = createShell(t)
    const { exit, stdout } = await shell.banmesh('doctor')
    assert.equal(exit, 1)
    assert.match(
      stdout,
      /^problem {2}config {4}there is no banmesh\.yaml here.*\n {19}fix: make one with banmesh init/m
    )
  }
)
