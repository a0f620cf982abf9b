import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { NEEDS_RESTART } from '../../src/daemon/needs-restart.ts'
import { createShell, LOOPBACK } from './shell.ts'

const BANMESH = join(import.meta.dirname, '../../bin/banmesh.ts')
const MISSING = 'there is no banmesh.yaml here, and no /etc/banmesh/banmesh.yaml'

test('banmesh --version and --help', async (t) => {
  const shell = createShell(t)
  const { version } = JSON.parse(readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8')) as {
    version: string
  }
  assert.deepEqual(await shell.banmesh('--version'), { exit: 0, stdout: `${version}\n`, stderr: '' })
  assert.equal(await shell.json('--version'), version)
  const help = await shell.banmesh('--help')
  assert.equal(help.exit, 0)
  assert.equal(help.stderr, '')
  for (const command of [
    'init',
    'run',
    'id',
    'invite',
    'friend',
    'ban',
    'unban',
    'list',
    'why',
    'check',
    'status',
    'export',
    'hook',
    'install',
    'allow',
    'pause',
    'resume',
    'flush',
    'watch',
    'import',
    'doctor',
    'completion',
    'manual'
  ]) {
    assert.match(help.stdout, new RegExp(`^ {2}${command}\\b`, 'm'), command)
  }
  const run = await shell.banmesh('run', '--help')
  for (const key of NEEDS_RESTART) assert.ok(run.stdout.includes(key), key)
  const friend = await shell.banmesh('friend', 'add', '--help')
  assert.equal(friend.exit, 0)
  assert.match(friend.stdout, /--trust <percent>[^]*--json/)
})

test('wrong usage is exit code 2, with what is wrong and what helps', async (t) => {
  const shell = createShell(t)
  shell.write('banmesh.yaml', JSON.stringify(LOOPBACK))
  for (const [words, error, hint] of [
    [['lst'], "unknown command 'lst'", 'Did you mean list?'],
    [['list', '--al'], "unknown option '--al'", 'Did you mean --all?'],
    [['ban'], "missing required argument 'subject'", 'banmesh --help, or banmesh COMMAND --help'],
    [
      ['list', 'x'],
      "too many arguments for 'list'. Expected 0 arguments but got 1.",
      'banmesh --help, or banmesh COMMAND --help'
    ],
    [['--config'], "option '--config <file>' argument missing", 'banmesh --help, or banmesh COMMAND --help'],
    [
      ['export', '--format', 'xml'],
      "option '--format <format>' argument 'xml' is invalid. Allowed choices are plain, json, csv, nft, ipset, hosts.deny.",
      'banmesh --help, or banmesh COMMAND --help'
    ],
    [
      ['friend', 'add', 'x', '--trust', '101'],
      "option '--trust <percent>' argument '101' is invalid. It is percent: 0 to 100.",
      'banmesh --help, or banmesh COMMAND --help'
    ],
    [['ban', 'example.net'], 'example.net is not an IP address or CIDR', null],
    [['ban', '192.0.2.1', '--ttl', '1w'], '--ttl takes a duration: 90, 90s, 10m, 12h or 7d', null],
    [['ban', '192.0.2.1', '--ttl', '0'], '--ttl takes a duration: 90, 90s, 10m, 12h or 7d', null],
    [['ban', '192.0.2.1', '--jail', 'a b'], '--jail takes a name of 1 to 64 letters, digits, _ . -', null],
    [['why', '\u001b[31m'], '?[31m is not an IP address or CIDR', null],
    [
      ['hook', 'bun', '--jail', 'sshd'],
      'not an event of fail2ban (bad-event)',
      'banmesh hook EVENT --jail JAIL [--ip IP --time SECONDS --bantime SECONDS] [--failures N]'
    ]
  ] as const) {
    const expected = `banmesh: error: ${error}\n${hint === null ? '' : `banmesh: hint: ${hint}\n`}`
    assert.deepEqual(await shell.banmesh(...words), { exit: 2, stdout: '', stderr: expected })
  }
})

test('a command that is missing is wrong usage too, and the help comes with it', async (t) => {
  const shell = createShell(t)
  for (const words of [[], ['friend']]) {
    const { exit, stdout, stderr } = await shell.banmesh(...words)
    assert.equal(exit, 2)
    assert.equal(stdout, '')
    assert.match(stderr, /^Usage: banmesh [^]*banmesh: error: a command is missing\n$/)
  }
})

test('an over-wide subject is refused by policy: exit code 4', async (t) => {
  const shell = createShell(t)
  for (const subject of ['10.0.0.0/23', '2001:db8::/47']) {
    const stderr = `banmesh: error: ${subject} is too wide\nbanmesh: hint: the widest subjects are a /24 (IPv4) and a /48 (IPv6)\n`
    assert.deepEqual(await shell.banmesh('ban', subject), {
      exit: 4,
      stdout: '',
      stderr
    })
  }
})

test('without a config the commands say where they looked', { skip: hasGlobalConfig() }, async (t) => {
  const shell = createShell(t)
  const stderr = `banmesh: error: ${MISSING}\nbanmesh: hint: make one with banmesh init, or name one with --config FILE\n`
  for (const words of [['status'], ['run'], ['id'], ['friend', 'remove', 'alice']]) {
    assert.deepEqual(await shell.banmesh(...words), { exit: 2, stdout: '', stderr })
  }
})

test('with --json an error is one document as well', async (t) => {
  const shell = createShell(t)
  const { exit, stdout, stderr } = await shell.banmesh('--json', 'ban', 'example.net')
  assert.equal(exit, 2)
  assert.deepEqual(JSON.parse(stdout), {
    error: { reason: 'junk-subject', message: 'example.net is not an IP address or CIDR' }
  })
  assert.match(stderr, /^banmesh: error: /)
})

test('all errors of a config are printed at once, with file, line and key', async (t) => {
  const shell = createShell(t)
  shell.write('banmesh.yaml', 'annouce: []\npolicy:\n  threshold: 101\n')
  const file = join(shell.folder, 'banmesh.yaml')
  const lines = [
    `banmesh: error: ${file}:1:1: annouce: unknown key`,
    `banmesh: error: ${file}:3:14: policy.threshold: must be percent: a number over 0, up to 100, not 101`,
    ''
  ]
  for (const words of [['run'], ['invite'], ['allow', 'list'], ['status'], ['list'], ['watch']]) {
    assert.deepEqual(await shell.banmesh(...words), { exit: 2, stdout: '', stderr: lines.join('\n') })
  }
})

test('a config can be named by --config, before or after the command, and by $BANMESH_CONFIG', async (t) => {
  const shell = createShell(t, { BANMESH_CONFIG: 'env.yaml' })
  shell.write('env.yaml', 'network: from env')
  shell.write('other.yaml', 'network: from option')
  for (const [words, name] of [
    [['id'], 'env'],
    [['--config', 'other.yaml', 'id'], 'other'],
    [['id', '--config', 'other.yaml'], 'other'],
    [['id', '--config=other.yaml'], 'other']
  ] as const) {
    assert.match((await shell.banmesh(...words)).stderr, new RegExp(`/${name}\\.yaml:1:10: network: `))
  }
  const missing = await shell.banmesh('--config', 'none.yaml', 'id')
  assert.deepEqual(missing, {
    exit: 2,
    stdout: '',
    stderr: `banmesh: error: ${join(shell.folder, 'none.yaml')}: can't be read: ENOENT\n`
  })
})

test('an older Node is told in one line which one is needed', () => {
  const pretend = "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.19.5' } })"
  const argv = ['--import', `data:text/javascript,${encodeURIComponent(pretend)}`, BANMESH, '--version']
  const { status, stdout, stderr } = spawnSync(process.execPath, argv, { encoding: 'utf8' })
  assert.deepEqual([status, stdout, stderr], [1, '', 'banmesh: error: needs Node.js 24 or newer, this is v20.19.5\n'])
})

test('a reader that has seen enough is no error', async (t) => {
  const shell = createShell(t)
  const command = `"${process.execPath}" "${BANMESH}" --help 2>err | head -c 1`
  assert.equal(execFileSync('sh', ['-c', command], { cwd: shell.folder, encoding: 'utf8' }), 'U')
  assert.equal(shell.read('err'), '')
})

test('output that can not be written is a failure', { skip: !existsSync('/dev/full') }, (t) => {
  const { folder: cwd } = createShell(t)
  for (const [redirect, expected] of [
    ['--help > /dev/full', [1, "banmesh: error: the output can't be written (ENOSPC)\n"]],
    ['lst 2> /dev/full', [2, '']]
  ] as const) {
    const { status, stderr } = spawnSync('sh', ['-c', `"${process.execPath}" "${BANMESH}" ${redirect}`], {
      cwd,
      encoding: 'utf8'
    })
    assert.deepEqual([status, stderr], expected)
  }
})

function hasGlobalConfig(): string | false {
  try {
    readFileSync('/etc/banmesh/banmesh.yaml')
    return 'this machine has a config in /etc/banmesh'
  } catch {
    return false
  }
}
