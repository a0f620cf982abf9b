/** The action's own way into the spool, in the shells that may be /bin/sh: what it leaves there, and what it leaves to the command. */
import { deepEqual, equal, match, throws } from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { parseHookArgs, type HookEvent } from '../../src/fail2ban/hook-event.ts'
import { appendToSpool, readSpool, removeFromSpool, SPOOL_LIMITS } from '../../src/fail2ban/spool.ts'
import { requires } from '../support/requirements.ts'
import { actionScript } from './shipped.ts'

/** What /bin/sh is on Debian, and elsewhere. */
const SHELLS = ['dash', 'bash --posix']
const BAN = { name: 'sshd', ip: '203.0.113.7', time: '1763668800.5', bantime: '600', failures: '5', restored: '0' }

interface Stand {
  readonly dir: string
  readonly spool: string
  /** Runs one of the action's commands; returns what was left to the command, a call a line. */
  run(command: string, tags?: Readonly<Record<string, string>>, env?: Readonly<Record<string, string>>): string[]
  events(): HookEvent[]
}

function createStand(t: TestContext, shell = 'dash'): Stand {
  const dir = mkdtempSync(join(tmpdir(), 'banmesh-action-'))
  t.after(() => rmSync(dir, { recursive: true, force: true }))
  const spool = join(dir, 'spool')
  const calls = join(dir, 'calls')
  const command = join(dir, 'command')
  const [program, ...flags] = shell.split(' ')
  mkdirSync(spool, { mode: 0o700 })
  mkdirSync(join(dir, 'cwd'))
  writeFileSync(command, `#!/bin/sh\npwd >>${dir}/cwds\necho "$*" >>${calls}\n`, { mode: 0o755 })
  return {
    dir,
    spool,
    run(name, tags = {}, env = {}) {
      rmSync(calls, { force: true })
      const script = actionScript(
        name,
        { ...BAN, ...tags },
        { command, spool: { path: spool, config: '/etc/banmesh/banmesh.yaml' } }
      )
      // As fail2ban sets it for itself.
      const before = process.umask(0o077)
      const { status, stdout, stderr } = spawnSync(program!, [...flags, '-c', script], {
        cwd: join(dir, 'cwd'),
        env: { PATH: process.env['PATH'], ...env },
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe']
      })
      process.umask(before)
      deepEqual([status, stdout, stderr], [0, '', ''], script)
      return existsSync(calls) ? readFileSync(calls, 'utf8').trim().split('\n') : []
    },
    events() {
      const read = readSpool(spool, 100, Date.now())
      equal(read.ok && read.value.junk.length, 0)
      return read.ok ? read.value.events.map(({ event }) => event) : []
    }
  }
}

for (const shell of SHELLS) {
  test(`Every event comes through the spool as it would through the command (${shell}).`, (t) => {
    const { run, events, spool } = createStand(t, shell)
    const commands = ['start', 'ban', 'prolong', 'unban', 'flush', 'stop']
    for (const ip of ['203.0.113.7', '2001:db8::1', '198.51.100.0/24']) {
      for (const bantime of ['600', '-1']) {
        for (const command of commands) {
          const tags = { ip, bantime, family: 'inet4' }
          deepEqual(run(`action${command}`, tags), [])
          const [called] = run(`action${command}`, tags, { BANMESH_CONFIG: '/else.yaml' })
          const understood = parseHookArgs(called!.split(' ').slice(1))
          deepEqual(events().at(-1), understood.ok && understood.value, called)
        }
      }
    }
    equal(events().length, 6 * commands.length)
    deepEqual(
      events().map(({ event }) => event),
      Array.from({ length: 6 }, () => commands).flat()
    )
    for (const name of readdirSync(spool)) equal(statSync(join(spool, name)).mode & 0o777, 0o644)
  })
}

test('A restored ban is passed over.', (t) => {
  const { run, events } = createStand(t)
  for (const command of ['actionban', 'actionprolong']) deepEqual(run(command, { restored: '1' }), [])
  deepEqual(events(), [])
})

test('What is not exactly as expected is left to the command, where fail2ban stands.', (t) => {
  const { run, events, dir } = createStand(t)
  const odd: Record<string, string>[] = [
    { ip: 'a-user-name' },
    { ip: '' },
    { ip: '1.2.3.4","event":"flush' },
    { ip: '1.2.3.4 ' },
    { time: 'now' },
    { time: '' },
    { bantime: '' },
    { bantime: '1e3' },
    { bantime: '-' },
    { failures: '' },
    { failures: '-1' },
    { name: 'a b' },
    { name: '' },
    { ip: '1'.repeat(500) }
  ].map((tags) => tags as Record<string, string>)
  for (const tags of odd) {
    const text = Object.fromEntries(Object.entries(tags).map(([tag, value]) => [tag, value.replaceAll('"', '\\"')]))
    equal(run('actionban', text).length, 1, JSON.stringify(tags))
  }
  equal(run('actionban', {}, { BANMESH_CONFIG: join(dir, 'banmesh.yaml') }).length, 1)
  writeFileSync(join(dir, 'cwd/banmesh.yaml'), '')
  equal(run('actionban').length, 1)
  rmSync(join(dir, 'cwd/banmesh.yaml'))
  deepEqual(events(), [])
  deepEqual([...new Set(readFileSync(join(dir, 'cwds'), 'utf8').trim().split('\n'))], [join(dir, 'cwd')])
  deepEqual(run('actionban', {}, { BANMESH_CONFIG: '/etc/banmesh/banmesh.yaml' }), [])
  equal(events().length, 1)
})

test('A word is no more than a word, wherever fail2ban puts it (bug 14).', (t) => {
  const { run, events, dir } = createStand(t)
  const word = `$(touch ${dir}/PWNED);\`touch ${dir}/PWNED\`" & | > ${dir}/PWNED ' \\`
  for (const command of ['actionban', 'actionprolong', 'actionunban']) {
    for (const tag of ['ip', 'time', 'bantime', 'failures']) {
      if (command === 'actionunban' && tag === 'failures') continue
      // As fail2ban does it: a variable in the text, and its value beside it.
      equal(run(command, { [tag]: '$f2bV_x' }, { f2bV_x: word }).length, 1)
    }
  }
  deepEqual(events(), [])
  equal(existsSync(join(dir, 'PWNED')), false)
})

test('The order is that of arrival, whoever wrote, also after the newest was taken.', (t) => {
  const { run, events, spool } = createStand(t)
  const ban = (n: number): void => deepEqual(run('actionban', { ip: `203.0.113.${n}` }), [])
  const say = (n: number): void => {
    const event: HookEvent = { event: 'ban', jail: 'sshd', ip: `203.0.113.${n}`, time: 1763668800, banTime: 600 }
    equal(appendToSpool(spool, event, Date.now(), 1).ok, true)
  }
  ban(1)
  ban(2)
  say(3)
  ban(4)
  say(5)
  for (let n = 6; n <= 12; n++) ban(n)
  deepEqual(
    events().map(({ ip }) => ip),
    Array.from({ length: 12 }, (_, i) => `203.0.113.${i + 1}`)
  )
  removeFromSpool(spool, readdirSync(spool).toSorted().slice(0, 11))
  ban(13)
  deepEqual(
    events().map(({ ip }) => ip),
    ['203.0.113.12', '203.0.113.13']
  )
})

test('The time at which the event was seen is that of its file.', (t) => {
  const { run, spool } = createStand(t)
  const from = Date.now() - 20
  run('actionban')
  const read = readSpool(spool, 1, Date.now())
  const at = read.ok ? read.value.events[0]!.at : 0
  equal(at >= from && at <= Date.now(), true, `${from} ${at}`)
})

test('Many jails at the same time lose nothing.', async (t) => {
  const { spool, events, dir } = createStand(t)
  const script = actionScript('actionban', BAN, {
    command: '/bin/false',
    spool: { path: spool, config: '/etc/banmesh/banmesh.yaml' }
  })
  writeFileSync(join(dir, 'ban'), script)
  execFileSync('sh', ['-c', `for i in $(seq 60); do (cd cwd && exec dash ../ban) & done; wait`], { cwd: dir })
  equal(events().length, 60)
})

test('A spool that is not there, is full, can not be written or is reached by a link is left to the command.', (t) => {
  const { run, spool, dir } = createStand(t)
  const elsewhere = join(dir, 'elsewhere')
  renameSync(spool, elsewhere)
  equal(run('actionban').length, 1)
  symlinkSync(elsewhere, spool)
  equal(run('actionban').length, 1)
  deepEqual(readdirSync(elsewhere), [])
  rmSync(spool)
  writeFileSync(spool, '')
  equal(run('actionban').length, 1)
  rmSync(spool)
  mkdirSync(spool)
  const name = (n: number): string => join(spool, `${String(n).padStart(15, '0')}-0000000001.json`)
  for (let n = 1; n < SPOOL_LIMITS.files; n++) writeFileSync(name(n), '')
  deepEqual(run('actionban'), [])
  equal(run('actionban').length, 1)
})

test(
  'No room on the disk: nothing half is ever taken, and the command is asked.',
  { skip: requires({ root: true, commands: ['mount'] }) },
  (t) => {
    const { run, spool } = createStand(t)
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8k', 'tmpfs', spool])
    try {
      throws(() => writeFileSync(join(spool, '000000000000001-0000000001.json'), Buffer.alloc(100_000)))
      match(run('actionban').join(), /^hook ban --jail sshd /)
      const half = readdirSync(spool).filter((name) => !name.includes('-0000000001'))
      equal(half.length, 1)
      const junkAt = (now: number): readonly string[] => {
        const read = readSpool(spool, 10, now)
        equal(read.ok && read.value.events.length, 0)
        return read.ok ? read.value.junk.filter((name) => half.includes(name)) : []
      }
      deepEqual(junkAt(Date.now()), [])
      deepEqual(junkAt(Date.now() + SPOOL_LIMITS.unfinishedMs + 1000), half)
    } finally {
      execFileSync('umount', [spool])
    }
  }
)

test(
  "What root leaves in another user's folder can be read and removed by that user.",
  { skip: requires({ root: true, commands: ['setpriv'] }) },
  (t) => {
    const { run, spool, dir } = createStand(t)
    chmodSync(dir, 0o755)
    chownSync(spool, 12345, 12346)
    deepEqual(run('actionban'), [])
    const as = ['setpriv', '--reuid=12345', '--regid=12346', '--clear-groups', '--bounding-set=-all']
    const text = execFileSync(as[0]!, [...as.slice(1), 'sh', '-c', `cat ${spool}/* && rm -f ${spool}/*`], {
      encoding: 'utf8'
    })
    deepEqual(JSON.parse(text), {
      event: { event: 'ban', jail: 'sshd', ip: BAN.ip, time: 1763668800, banTime: 600, failures: 5 }
    })
    deepEqual(readdirSync(spool), [])
  }
)
