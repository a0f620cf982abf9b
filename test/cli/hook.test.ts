import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { createControlServer, type ControlPort } from '../../src/control/server.ts'
import { runHook } from '../../src/daemon/hook.ts'
import { readSpool } from '../../src/fail2ban/spool.ts'

const NOW = 1_763_668_800_000
const BAN = [
  'ban',
  '--jail',
  'sshd',
  '--ip',
  '192.0.2.7',
  '--time',
  '1763668800.5',
  '--bantime',
  '600',
  '--failures',
  '3'
]
const EVENT = { event: 'ban', jail: 'sshd', ip: '192.0.2.7', time: 1_763_668_800, banTime: 600, failures: 3 }

function createFolder(t: TestContext): {
  folder: string
  deliver: (argv: readonly string[]) => ReturnType<typeof runHook>
} {
  const folder = mkdtempSync(join(tmpdir(), 'banmesh-hook-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const config = join(folder, 'banmesh.yaml')
  writeFileSync(config, 'dataDir: data\ncontrol: control.sock\n')
  mkdirSync(join(folder, 'data'))
  const search = { env: { BANMESH_CONFIG: config }, cwd: '/' }
  return { folder, deliver: (argv) => runHook(['hook', ...argv], { search, now: NOW, pid: 7 }) }
}

test('an event is on disk when the hook returns', async (t) => {
  const { folder, deliver } = createFolder(t)
  assert.deepEqual(await deliver(BAN), { ok: true, value: 'spooled' })
  const spool = readSpool(join(folder, 'data/spool'), 10, NOW)
  assert.ok(spool.ok)
  assert.deepEqual(
    spool.value.events.map(({ at, event }) => ({ at, event })),
    [{ at: NOW, event: EVENT }]
  )
})

test('where the spool can not be written, the daemon is told', async (t) => {
  const { folder, deliver } = createFolder(t)
  writeFileSync(join(folder, 'data/spool'), 'not a folder')
  assert.deepEqual(await deliver(BAN), { ok: false, reason: 'spool-unusable' })
  const taken: unknown[] = []
  const port = {
    hook(event: unknown) {
      taken.push(event)
      return Promise.resolve({ ok: true, value: {} })
    }
  } as unknown as ControlPort
  const server = createControlServer(port)
  t.after(() => server.close())
  assert.ok((await server.listen(join(folder, 'control.sock'))).ok)
  assert.deepEqual(await deliver(BAN), { ok: true, value: 'sent' })
  assert.deepEqual(taken, [EVENT])
})

test('what is no address concerns nobody', async (t) => {
  const { folder, deliver } = createFolder(t)
  const argv = BAN.map((word) => (word === '192.0.2.7' ? 'a-user-name' : word))
  assert.deepEqual(await deliver(argv), { ok: true, value: 'ignored' })
  assert.deepEqual(readdirSync(join(folder, 'data')), [])
})

test('wrong usage and a missing config are told, and nothing is written', async (t) => {
  const { folder, deliver } = createFolder(t)
  assert.deepEqual(await deliver(['ban']), { ok: false, reason: 'bad-jail' })
  assert.deepEqual(await deliver(['bun', '--jail', 'sshd']), { ok: false, reason: 'bad-event' })
  assert.deepEqual(readdirSync(join(folder, 'data')), [])
  writeFileSync(join(folder, 'banmesh.yaml'), 'dataDir: [')
  assert.deepEqual(await deliver(BAN), { ok: false, reason: 'unreadable-config' })
  rmSync(join(folder, 'banmesh.yaml'))
  assert.deepEqual(await deliver(BAN), { ok: false, reason: 'unreadable-config' })
})
