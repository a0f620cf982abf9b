/** The commands against a real daemon: the story of one node that keeps to itself. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import type { Banned, FriendView, Identity, Status, VerdictView, Why } from '../../src/control/api.ts'
import { createPeer } from '../support/peers.ts'
import { until } from '../support/until.ts'
import { BANMESH, createShell, LOOPBACK, startDaemon, type RunningDaemon, type Shell } from './shell.ts'

const ALICE = createPeer().id

async function createNode(t: TestContext): Promise<Shell> {
  const shell = createShell(t)
  assert.equal((await shell.banmesh('init')).exit, 0)
  shell.write('banmesh.yaml', `# mine\n${JSON.stringify(LOOPBACK)}`)
  return shell
}

function subjects(list: unknown): string[] {
  return (list as VerdictView[]).map(({ subject }) => subject)
}

test('a node that keeps to itself', async (t) => {
  const shell = await createNode(t)
  const offline = (await shell.json('id')) as Identity
  let daemon: RunningDaemon = await startDaemon(t, shell)

  await t.test('status and id', async () => {
    const status = (await shell.json('status')) as Status
    assert.partialDeepStrictEqual(status, {
      peerId: offline.peerId,
      network: 'test',
      mode: 'enforce',
      friends: { total: 0 }
    })
    const { peerId, addresses } = (await shell.json('id')) as Identity
    assert.equal(peerId, offline.peerId)
    assert.match(addresses[0]!, /^\/ip4\/127\.0\.0\.1\/tcp\/[1-9]\d+\/p2p\/12D3KooW/)
    assert.equal((await shell.banmesh('status')).exit, 0)
  })

  await t.test('a second daemon in the same folder is refused', async () => {
    const { exit, stderr } = await shell.banmesh('run')
    assert.equal(exit, 1)
    assert.equal(
      stderr,
      `banmesh: error: another daemon answers on ${shell.folder}/control.sock\nbanmesh: hint: banmesh status shows it\n`
    )
  })

  await t.test('ban, list, why, check, unban', async () => {
    const banned = (await shell.json('ban', '203.0.113.7', '--ttl', '1h', '--jail', 'web')) as Banned
    assert.equal(banned.subject, '203.0.113.7')
    assert.match(banned.reportId, /^[0-9a-f]{64}$/)
    assert.ok(Math.abs(banned.until - Date.now() / 1000 - 3600) < 60)
    assert.deepEqual(await shell.json('list'), [
      { subject: '203.0.113.7', score: 100, accepted: true, until: banned.until, origins: 1, source: 'own' }
    ])
    const why = (await shell.json('why', '203.0.113.7')) as Why
    assert.partialDeepStrictEqual(why, {
      accepted: true,
      threshold: 80,
      evidence: [{ origin: offline.peerId, jail: 'web' }]
    })
    assert.equal((await shell.banmesh('check', '203.0.113.7')).exit, 0)
    assert.equal((await shell.banmesh('check', '203.0.113.8')).exit, 1)
    assert.partialDeepStrictEqual(await shell.json('unban', '203.0.113.7'), { subject: '203.0.113.7', vetoed: true })
    assert.equal((await shell.banmesh('check', '203.0.113.7')).exit, 1)
    assert.partialDeepStrictEqual(await shell.json('unban', '--forget-veto', '203.0.113.7'), { vetoed: false })
  })

  await t.test('why and check name the CIDR that an address is banned with', async () => {
    await shell.banmesh('ban', '198.51.100.0/24')
    const covered = { accepted: false, reason: 'no-evidence', coveredBy: '198.51.100.0/24', evidence: [] }
    assert.partialDeepStrictEqual(await shell.json('why', '198.51.100.7'), covered)
    assert.match((await shell.banmesh('why', '198.51.100.7')).stdout, /^198\.51\.100\.7 is banned here as part of /)
    const wanted = { subject: '198.51.100.7', banned: true, by: '198.51.100.0/24' }
    assert.deepEqual(await shell.json('check', '198.51.100.7'), wanted)
    // Itself is no part of it.
    assert.partialDeepStrictEqual(await shell.json('why', '198.51.100.0/24'), { accepted: true, coveredBy: null })
    await shell.banmesh('ban', '198.51.100.7')
    assert.partialDeepStrictEqual(await shell.json('why', '198.51.100.7'), {
      ...covered,
      accepted: true,
      reason: 'own',
      evidence: [{}]
    })
    assert.partialDeepStrictEqual(await shell.json('check', '198.51.100.7'), { by: '198.51.100.7' })
    for (const subject of ['198.51.100.7', '198.51.100.0/24']) {
      await shell.banmesh('unban', subject)
      await shell.banmesh('unban', '--forget-veto', subject)
    }
    assert.partialDeepStrictEqual(await shell.json('why', '198.51.100.7'), { coveredBy: null })
  })

  await t.test("fail2ban's hook", async () => {
    const now = String(Math.floor(Date.now() / 1000))
    const what = ['--jail', 'sshd', '--ip', '203.0.113.9', '--time', now, '--bantime', '600']
    assert.deepEqual(await shell.banmesh('hook', 'ban', ...what, '--failures', '3'), {
      exit: 0,
      stdout: '',
      stderr: ''
    })
    await until(async () => (await shell.banmesh('check', '203.0.113.9')).exit === 0, 'the ban')
    assert.equal((await shell.banmesh('hook', 'unban', ...what)).exit, 0)
    await until(async () => (await shell.banmesh('check', '203.0.113.9')).exit === 1, 'its end')
  })

  await t.test('friends are live', async () => {
    const friends = async (): Promise<FriendView[]> => (await shell.json('friend', 'list')) as FriendView[]
    assert.partialDeepStrictEqual(await shell.json('friend', 'add', ALICE, '--name', 'alice'), { live: true })
    assert.partialDeepStrictEqual(await friends(), [{ id: ALICE, name: 'alice', trust: 80, paused: false }])
    await shell.banmesh('friend', 'trust', 'alice', '33.3')
    await shell.banmesh('friend', 'pause', 'alice')
    assert.partialDeepStrictEqual(await friends(), [{ id: ALICE, trust: 33.3, paused: true }])
    await shell.banmesh('friend', 'remove', 'alice')
    assert.deepEqual(await friends(), [])
    assert.match(shell.read('banmesh.yaml'), /^# mine\n/)
  })

  await t.test('SIGHUP reads the config again; a bad one changes nothing and is told', async () => {
    const level = async (): Promise<Status> => (await shell.json('status')) as Status
    shell.write('banmesh.yaml', JSON.stringify({ ...LOOPBACK, policy: { mode: 'observe' } }))
    void daemon.signal('SIGHUP')
    await until(async () => (await level()).mode === 'observe', 'the new mode')
    await shell.banmesh('ban', '203.0.113.12')
    const { stdout } = await shell.banmesh('why', '203.0.113.12')
    assert.match(stdout, /is banned here, but observed: not handed over while policy\.mode is observe: score 100 %/)
    await shell.banmesh('unban', '203.0.113.12')
    shell.write('banmesh.yaml', JSON.stringify({ ...LOOPBACK, annouce: [] }))
    void daemon.signal('SIGHUP')
    await until(() => daemon.log().includes('annouce: unknown key'), 'the error in the log')
    const { mode, lastError } = await level()
    assert.equal(mode, 'observe')
    assert.match(lastError!, /^the config was not reloaded, the old one stays: .*annouce: unknown key/)
    shell.write('banmesh.yaml', JSON.stringify(LOOPBACK))
    void daemon.signal('SIGHUP')
    await until(async () => (await level()).lastError === null, 'the good one to be taken')
  })

  await t.test('SIGTERM stops cleanly, and what the hook saw in the meantime is taken up at the start', async () => {
    assert.equal((await shell.banmesh('ban', '203.0.113.10')).exit, 0)
    assert.equal(await daemon.signal('SIGTERM'), 0)
    assert.equal((await shell.banmesh('status')).exit, 3)
    assert.equal(existsSync(join(shell.folder, 'control.sock')), false)
    const now = String(Math.floor(Date.now() / 1000))
    const what = ['--jail', 'sshd', '--ip', '203.0.113.11', '--time', now, '--bantime', '600']
    assert.deepEqual(await shell.banmesh('hook', 'ban', ...what), { exit: 0, stdout: '', stderr: '' })
    daemon = await startDaemon(t, shell)
    await until(async () => subjects(await shell.json('list')).length === 2, 'both bans')
    assert.deepEqual(subjects(await shell.json('list')).toSorted(), ['203.0.113.10', '203.0.113.11'])
    assert.equal(await daemon.signal('SIGINT'), 0)
  })
})

test('run refuses a key that others can read, and says what helps', async (t) => {
  const shell = await createNode(t)
  const key = join(shell.folder, 'identity.key')
  chmodSync(key, 0o644)
  for (const command of ['run', 'id']) {
    const { exit, stderr } = await shell.banmesh(command)
    assert.equal(exit, 2)
    assert.equal(
      stderr,
      `banmesh: error: others may use ${key}, the node's private key\nbanmesh: hint: chmod 600 ${key}\n`
    )
  }
})

test('run without a key says how to make one', async (t) => {
  const shell = createShell(t)
  shell.write('banmesh.yaml', JSON.stringify(LOOPBACK))
  const { exit, stderr } = await shell.banmesh('run')
  assert.equal(exit, 2)
  assert.match(stderr, /^banmesh: error: there is no key .*\nbanmesh: hint: make one: banmesh init --dir DIR\n$/)
})

test('run goes on without a friend whose entry is bad, or who is this node itself', async (t) => {
  const shell = await createNode(t)
  const { peerId } = (await shell.json('id')) as Identity
  const friends = [{ id: 'nobody' }, { id: peerId }, { id: ALICE }]
  shell.write('banmesh.yaml', JSON.stringify({ ...LOOPBACK, friends }))
  const daemon = await startDaemon(t, shell)
  assert.partialDeepStrictEqual(await shell.json('status'), { friends: { total: 1 } })
  assert.match(daemon.log(), /banmesh: warning: .*banmesh\.yaml:1:\d+: friends\[0\]\.id: must be a peer ID/)
  assert.match(daemon.log(), /banmesh: warning: .*friends\[1\]\.id: is this node's own ID/)
  assert.equal(await daemon.signal('SIGTERM'), 0)
})

test('signals that come in the middle of the start are heard', async (t) => {
  const shell = await createNode(t)
  const daemon = spawn(process.execPath, [BANMESH, 'run'], { cwd: shell.folder, stdio: 'ignore' })
  t.after(() => daemon.kill('SIGKILL'))
  const exited = once(daemon, 'exit')
  await until(() => existsSync(join(shell.folder, 'control.sock')), 'the control socket')
  daemon.kill('SIGHUP')
  daemon.kill('SIGTERM')
  assert.deepEqual(await exited, [0, null])
})
