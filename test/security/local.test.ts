/** Other users of the same machine: what they can read and do, and traps that they may lay. */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { findConfig } from '../../src/daemon/config-paths.ts'
import { createWatchedLog } from '../../src/fail2ban/watched-log.ts'
import { createMesh, type MeshHandle } from '../support/nodes.ts'
import { requires } from '../support/requirements.ts'
import { until } from '../support/until.ts'

const MAIN = new URL('../../bin/banmesh.ts', import.meta.url).pathname
/** Debian's nobody and nogroup. */
const NOBODY = 65534
const asRoot = { skip: requires({ root: true, commands: ['setpriv', 'mkfifo'] }) }

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'banmesh-local-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

function asNobody(...command: string[]) {
  const args = [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', ...command]
  return spawnSync('setpriv', args, { encoding: 'utf8', timeout: 20_000 })
}

function mesh(): MeshHandle {
  return createMesh({ friends: { alice: [] }, config: () => ({ web: { listen: '127.0.0.1:0' } }) })
}

test('what the daemon makes is closed to others: key, ledger, token, spool, socket, logs', async () => {
  await using nodes = mesh()
  const alice = nodes.node('alice')
  chmodSync(alice.dir, 0o755)
  await alice.start()
  await alice.ban('198.51.100.7')
  await until(() => existsSync(join(alice.dir, 'bans.log')) && existsSync(join(alice.dir, 'spool')), 'its files')
  const mode = (name: string): string => (statSync(join(alice.dir, name)).mode & 0o777).toString(8)
  for (const name of ['identity.key', 'web.token']) assert.equal(mode(name), '600', name)
  assert.equal(mode('spool'), '700')
  assert.equal(mode('control.sock'), '660')
  assert.equal(mode('bans.log'), '640')
  const made = readdirSync(alice.dir).filter((name) => !['banmesh.yaml', 'daemon.log'].includes(name))
  assert.ok(made.includes('ledger.db') && made.includes('ledger.db-wal'))
  for (const name of made) assert.equal(statSync(join(alice.dir, name)).mode & 0o007, 0, `${name} is open to others`)
})

test('another user of the machine reads nothing and commands nothing', asRoot, async () => {
  await using nodes = mesh()
  const alice = nodes.node('alice')
  for (const folder of [alice.dir, dirname(alice.dir)]) chmodSync(folder, 0o755)
  await alice.start()
  await alice.ban('198.51.100.7')
  for (const name of ['identity.key', 'ledger.db', 'web.token', 'bans.log']) {
    const { status, stderr } = asNobody('cat', join(alice.dir, name))
    assert.notEqual(status, 0, name)
    assert.match(stderr, /Permission denied/, name)
  }
  const script = `require('net').connect(${JSON.stringify(join(alice.dir, 'control.sock'))}).on('error',e=>{console.log(e.code);process.exit(0)}).on('connect',()=>{console.log('in');process.exit(0)})`
  assert.equal(asNobody('/usr/bin/env', '-i', process.execPath, '-e', script).stdout.trim(), 'EACCES')
  const { web } = await alice.status()
  const answer = await fetch(`${web!.url}api/unban`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: 'Bearer x' },
    body: '{"subject":"198.51.100.7"}'
  })
  assert.equal(answer.status, 401)
})

test('the daemon needs no root: as nobody it runs with no capability at all, and does its work', asRoot, async (t) => {
  const folder = folderOf(t)
  chmodSync(folder, 0o755)
  const dir = join(folder, 'node')
  mkdirSync(dir)
  chownSync(dir, NOBODY, NOBODY)
  const init = asNobody(process.execPath, MAIN, 'init', '--dir', dir)
  assert.equal(init.status, 0, init.stderr)
  const config = join(dir, 'banmesh.yaml')
  const text = readFileSync(config, 'utf8').replaceAll('tcp/7337', 'tcp/0').replace('127.0.0.1:7338', '127.0.0.1:0')
  writeFileSync(config, text.replace('dht: true', 'dht: false'))
  const { createProcesses } = await import('../support/lab-processes.ts')
  const processes = createProcesses()
  t.after(() => processes.end())
  const args = [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', '--bounding-set=-all', '--no-new-privs']
  processes.start(['setpriv', ...args, process.execPath, MAIN, '--config', config, 'run'], { log: join(folder, 'log') })
  await until(() => existsSync(join(dir, 'control.sock')), 'the daemon', 20_000)
  const ban = asNobody(process.execPath, MAIN, '--config', config, 'ban', '93.184.216.34')
  assert.equal(ban.status, 0, ban.stderr)
  await until(
    () => existsSync(join(dir, 'bans.log')) && readFileSync(join(dir, 'bans.log'), 'utf8').includes('93.184.216.34'),
    'the line'
  )
})

test('a config that somebody else left in the current folder is not taken', asRoot, (t) => {
  const folder = folderOf(t)
  const file = join(folder, 'banmesh.yaml')
  writeFileSync(file, '{}')
  const search = { option: undefined, env: {}, cwd: folder }
  assert.deepEqual(findConfig(search), { ok: true, value: file })
  chmodSync(file, 0o666)
  assert.notDeepEqual(findConfig(search), { ok: true, value: file }, 'anybody could have written it')
  chmodSync(file, 0o644)
  chownSync(file, NOBODY, NOBODY)
  assert.notDeepEqual(findConfig(search), { ok: true, value: file }, "it is somebody else's")
  assert.deepEqual(findConfig({ ...search, option: file }), { ok: true, value: file }, 'unless it is named')
  chownSync(file, 0, NOBODY)
  chmodSync(file, 0o664)
  assert.notDeepEqual(findConfig(search), { ok: true, value: file }, 'a group that is not ours could have written it')
  chownSync(file, 0, process.getegid!())
  assert.deepEqual(findConfig(search), { ok: true, value: file })
  const [linked, elsewhere] = [join(folder, 'linked'), join(folder, 'root.yaml')]
  mkdirSync(linked)
  writeFileSync(elsewhere, '{}')
  const link = join(linked, 'banmesh.yaml')
  symlinkSync(elsewhere, link)
  assert.deepEqual(findConfig({ ...search, cwd: linked }), { ok: true, value: link }, 'a link of our own')
  lchownSync(link, NOBODY, NOBODY)
  assert.notDeepEqual(findConfig({ ...search, cwd: linked }), { ok: true, value: link }, "somebody else's link")
})

test('a link or a fifo in place of the watched log is not written to, and does not make us wait', asRoot, (t) => {
  const folder = folderOf(t)
  const target = join(folder, 'precious')
  writeFileSync(target, 'precious\n')
  const path = join(folder, 'bans.log')
  const entry = { event: 'ban', ip: '203.0.113.7', jail: 'sshd', until: 1, score: 1_000_000, origins: 1 } as const
  symlinkSync(target, path)
  const log = createWatchedLog({ path, now: () => 0 })
  t.after(() => log.close())
  assert.deepEqual(log.write([entry]), { ok: false, reason: 'not-writable' })
  assert.equal(readFileSync(target, 'utf8'), 'precious\n')
  rmSync(path)
  execFileSync('mkfifo', [path])
  assert.doesNotThrow(() => log.write(Array.from({ length: 2000 }, () => entry)))
  rmSync(path)
  assert.equal(log.write([entry]).ok, true)
})

test('whatever fail2ban puts into the tags of the hook stays a word, and what is no event leaves nothing on disk', (t) => {
  const folder = folderOf(t)
  const config = join(folder, 'banmesh.yaml')
  writeFileSync(config, JSON.stringify({ dataDir: folder, control: join(folder, 'control.sock') }))
  const evil = ['$(touch owned)', '`touch owned`;touch owned', '../../../etc/passwd\n', '--config']
  for (const word of evil) {
    for (const args of [
      ['ban', '--jail', word, '--ip', '203.0.113.7', '--time', '1', '--bantime', '60'],
      ['ban', '--jail', 'sshd', '--ip', word, '--time', '1', '--bantime', '60'],
      ['ban', '--jail', 'sshd', '--ip', '203.0.113.7', '--time', word, '--bantime', '60'],
      [word, '--jail', 'sshd']
    ]) {
      spawnSync(process.execPath, [MAIN, 'hook', ...args], {
        env: { BANMESH_CONFIG: config },
        cwd: folder,
        timeout: 20_000
      })
    }
  }
  assert.deepEqual(
    readdirSync(folder).filter((name) => name !== 'banmesh.yaml' && name !== 'spool'),
    []
  )
  const spool = join(folder, 'spool')
  // A word with dashes may be a jail's name.
  const left = existsSync(spool) ? readdirSync(spool).map((name) => readFileSync(join(spool, name), 'utf8')) : []
  for (const text of left) assert.match(text, /"jail":"--config"/)
})

test('clients that hold a request half said, or listen without end, do not keep the daemon from stopping', async () => {
  await using nodes = mesh()
  const alice = nodes.node('alice')
  await alice.start()
  const { hostname, port } = new URL((await alice.status()).web!.url)
  const half = 'HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{'
  const whole = 'HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'
  const control = (): Socket => connect(join(alice.dir, 'control.sock'))
  const web = (): Socket => connect(Number(port), hostname)
  const sockets = [control(), control(), control(), web(), web(), web()]
  let answers = 0
  for (const socket of sockets) socket.on('error', () => undefined).once('data', () => answers++)
  // Of each: half a request, streams of events that nobody ends, and silence.
  sockets[0]!.write(`POST /v1/bans ${half}`)
  sockets[1]!.write(`GET /v1/events ${whole}`)
  sockets[3]!.write(`POST /api/unban ${half}`)
  sockets[4]!.write(`GET /api/events ${whole}`)
  await until(() => answers >= 2, 'the streams of events')
  await alice.stop('SIGTERM')
  assert.equal(alice.running(), false)
  for (const socket of sockets) socket.destroy()
})
