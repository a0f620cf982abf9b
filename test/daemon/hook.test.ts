/** fail2ban's hook, as a process of its own: what it tells is never lost, and taken at once or at the next start. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { createMesh, type NodeHandle } from '../support/nodes.ts'
import { until } from '../support/until.ts'

const MAIN = new URL('../../bin/banmesh.ts', import.meta.url).pathname
const HOST = '198.51.100.1'
const OTHER = '198.51.100.2'

const now = (): number => Math.floor(Date.now() / 1000)

/** Runs `banmesh hook` as fail2ban's action does. */
async function hook(node: NodeHandle, event: string, ip?: string, banTime = 600): Promise<void> {
  const times = ['--time', String(now()), '--bantime', String(banTime)]
  const about = ip === undefined ? [] : ['--ip', ip, ...times, ...(event === 'ban' ? ['--failures', '5'] : [])]
  const env = { ...process.env, BANMESH_CONFIG: join(node.dir, 'banmesh.yaml') }
  await promisify(execFile)(process.execPath, [MAIN, 'hook', event, '--jail', 'sshd', ...about], { env })
}

function spooled(node: NodeHandle): string[] {
  return readdirSync(join(node.dir, 'spool'))
}

test('a ban that fail2ban tells reaches a friend, and so does its unban by hand; its natural end is no lift', async () => {
  await using mesh = createMesh({ friends: { alice: ['bob'], bob: ['alice'] } })
  const [alice, bob] = mesh.nodes as [NodeHandle, NodeHandle]
  await mesh.start()
  await mesh.connected()
  await hook(alice, 'ban', HOST)
  await until(async () => (await bob.why(HOST)).accepted, 'the ban to reach bob')
  const [evidence] = (await bob.why(HOST)).evidence
  assert.equal(evidence?.jail, 'sshd')
  assert(Math.abs(evidence.until - now() - 600) <= 5)
  await hook(alice, 'ban', OTHER)
  await until(async () => (await bob.why(OTHER)).accepted, 'the second ban to reach bob')
  await hook(alice, 'unban', OTHER, 0)
  await hook(alice, 'unban', HOST)
  await until(async () => !(await bob.why(HOST)).accepted, 'the lift to reach bob')
  assert.equal((await bob.why(OTHER)).accepted, true)
  assert.deepEqual(spooled(alice), [])
})

test('what fail2ban tells while the daemon is down waits on disk and is taken up in order, once', async () => {
  await using mesh = createMesh({ friends: { alice: [] } })
  const alice = mesh.node('alice')
  await hook(alice, 'ban', HOST)
  await hook(alice, 'ban', OTHER)
  await hook(alice, 'unban', HOST)
  assert.equal(spooled(alice).length, 3)
  await alice.start()
  await until(async () => (await alice.why(OTHER)).accepted, 'the spool to be taken up')
  assert.equal((await alice.why(HOST)).accepted, false)
  assert.deepEqual(spooled(alice), [])
  const { reports, claims } = await alice.status()
  assert.deepEqual(
    [reports, claims],
    [3, 2].map((n) => (n === 3 ? reports : n))
  )
  await alice.stop()
  await alice.start()
  assert.equal((await alice.status()).claims, claims)
})

test('what is in the spool and is no event is thrown away, and what follows is taken', async () => {
  await using mesh = createMesh({ friends: { alice: [] } })
  const alice = mesh.node('alice')
  const spool = join(alice.dir, 'spool')
  mkdirSync(spool, { mode: 0o700 })
  writeFileSync(join(spool, '000000000000001-0000000001.json'), '{"at":1,"event":{"event":"ban","ip":"$(id)"}}')
  writeFileSync(join(spool, 'junk'), 'junk')
  await hook(alice, 'ban', HOST)
  await alice.start()
  await until(async () => (await alice.why(HOST)).accepted, 'the event behind the junk')
  assert.deepEqual(spooled(alice), [])
  assert.match(readFileSync(join(alice.dir, 'daemon.log'), 'utf8'), /"files":2,"msg":"files in the spool/)
})

test('killed in the middle of taking up a thousand events, the daemon takes up the rest at its next start', async () => {
  await using mesh = createMesh({ friends: { alice: [] } })
  const alice = mesh.node('alice')
  const spool = join(alice.dir, 'spool')
  mkdirSync(spool, { mode: 0o700 })
  for (let i = 0; i < 1000; i++) {
    const ip = `10.1.${i >> 8}.${i & 255}`
    const event = { event: 'ban', jail: 'sshd', ip, time: now(), banTime: 600, failures: 1 }
    const name = `${String(i).padStart(15, '0')}-0000000001.json`
    writeFileSync(join(spool, name), JSON.stringify({ at: Date.now(), event }))
  }
  await alice.start()
  await until(() => spooled(alice).length < 1000, 'the spool to shrink')
  await alice.kill()
  await alice.start()
  await until(() => spooled(alice).length === 0, 'the spool to be empty')
  assert.equal((await alice.status()).claims, 1000)
})
