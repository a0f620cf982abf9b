/** An operator's day, as typed: two friends, alice and bob, on loopback. Bob is the one at the keyboard. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Alert, LiveEvent } from '../../src/control/api.ts'
import { createMesh, type NodeHandle } from '../support/nodes.ts'
import { until } from '../support/until.ts'
import { createShell, type Shell } from './shell.ts'

const BANMESH = join(import.meta.dirname, '../../bin/banmesh.ts')

/** What is typed, and what it prints. */
async function typed(shell: Shell, node: NodeHandle, command: string): Promise<string> {
  const { exit, stdout, stderr } = await shell.banmesh(
    '--config',
    join(node.dir, 'banmesh.yaml'),
    ...command.split(' ')
  )
  assert.equal(stderr, '', command)
  assert.equal(exit, 0, command)
  return stdout.trimEnd()
}

interface LogLine {
  readonly event: string
  readonly ip: string
}

function linesOf<T>(path: string): T[] {
  if (!existsSync(path)) return []
  const lines = readFileSync(path, 'utf8').split('\n')
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as T)
}

/** The watched log as `+SUBJECT` and `-SUBJECT`. */
function handedOver({ dir }: NodeHandle): string[] {
  return linesOf<LogLine>(join(dir, 'bans.log')).map(({ event, ip }) => `${event === 'ban' ? '+' : '-'}${ip}`)
}

async function isBanned({ verdicts }: NodeHandle, subject: string): Promise<boolean> {
  return (await verdicts()).some((verdict) => verdict.subject === subject && verdict.accepted)
}

test('pause, resume, flush, watch, the audit log and alerts', async (t) => {
  const mesh = createMesh({ friends: { alice: ['bob'], bob: ['alice'] } })
  t.after(() => mesh.dispose())
  const shell = createShell(t)
  await mesh.start()
  await mesh.connected()
  const [alice, bob] = [mesh.node('alice'), mesh.node('bob')]
  const type = (command: string): Promise<string> => typed(shell, bob, command)

  const watcher = spawn(process.execPath, [BANMESH, '--json', '--config', join(bob.dir, 'banmesh.yaml'), 'watch'])
  t.after(() => watcher.kill('SIGKILL'))
  let watched = ''
  watcher.stdout.setEncoding('utf8').on('data', (text: string) => (watched += text))
  const events = (): LiveEvent[] =>
    watched
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as LiveEvent)
  await until(() => events()[0]?.kind === 'watching', 'the watcher', 20_000)

  await t.test('pause', async () => {
    await alice.ban('203.0.113.1')
    await until(() => handedOver(bob).includes('+203.0.113.1'), 'the hand-off')
    assert.equal(
      await type('pause'),
      'paused: nothing new is handed over; what is banned stays until its end (banmesh flush takes it back)'
    )
    await alice.ban('203.0.113.2')
    await until(() => isBanned(bob, '203.0.113.2'), 'the verdict')
    assert.match(await type('status'), /^mode {7}enforce, paused$/m)
    assert.match(
      await type('why 203.0.113.2'),
      /^203\.0\.113\.2 is banned here, but paused: not handed over before banmesh resume: score 80 %/
    )
    assert.deepEqual(handedOver(bob), ['+203.0.113.1'])
  })

  await t.test('a pause survives a restart', async () => {
    await bob.kill()
    await bob.start()
    await mesh.connected()
    assert.equal((await bob.status()).paused, true)
    await alice.ban('203.0.113.3')
    await until(() => isBanned(bob, '203.0.113.3'), 'the verdict')
    // Written again at the start: it is banned, and was before the pause.
    assert.deepEqual([...new Set(handedOver(bob))], ['+203.0.113.1'])
  })

  await t.test('the watcher of a daemon that is gone ends with exit code 3', async () => {
    if (watcher.exitCode === null) await once(watcher, 'exit')
    assert.equal(watcher.exitCode, 3)
    const kinds = events().map(({ kind, subject, name }) => `${kind} ${subject ?? name}`)
    assert.deepEqual(kinds.slice(0, 5), [
      'watching null',
      'banned 203.0.113.1',
      'handed-over 203.0.113.1',
      'command pause',
      'banned 203.0.113.2'
    ])
  })

  await t.test('resume', async () => {
    assert.equal(await type('resume'), 'resumed: bans are handed over again')
    await until(() => handedOver(bob).includes('+203.0.113.3'), 'the hand-off')
    assert.ok(handedOver(bob).includes('+203.0.113.2'))
    assert.equal((await bob.status()).paused, false)
  })

  await t.test('flush', async () => {
    await type('ban 203.0.113.4')
    await until(() => handedOver(bob).includes('+203.0.113.4'), 'the own ban')
    assert.equal(
      await type('flush'),
      `3 bans of the mesh are taken back, until banmesh resume or a new verdict
the watched log can only announce it: fail2ban itself lets go at the end of its ban time, or now, by
  fail2ban-client reload --unban banmesh`
    )
    await until(() => handedOver(bob).includes('-203.0.113.3'), 'the unbans')
    assert.deepEqual(
      handedOver(bob).filter((line) => line.startsWith('-')),
      ['-203.0.113.1', '-203.0.113.2', '-203.0.113.3']
    )
    assert.match(await type('status'), /^flushed {4}3 \(until banmesh resume, or a new verdict\)$/m)
  })

  await t.test('the audit log says what changed the firewall, who said so, by which way, and why', async () => {
    const audit = linesOf<Record<string, unknown>>(join(bob.dir, 'audit.log'))
    const ban = audit.find(({ event, ip }) => event === 'ban' && ip === '203.0.113.1')!
    const keys = 'time event target ip jail until score origins reason said more'
    assert.equal(Object.keys(ban).join(' '), keys)
    assert.partialDeepStrictEqual(ban, {
      target: 'log',
      jail: 'manual',
      score: 80,
      origins: 1,
      reason: 'accepted',
      said: [{ origin: alice.id, confidence: 80, path: [{ peer: alice.id, name: 'alice', trust: 80 }] }],
      more: 0
    })
    assert.ok(audit.some(({ event, ip, reason }) => event === 'unban' && ip === '203.0.113.1' && reason === 'flushed'))
    assert.ok(audit.some(({ event, command }) => event === 'command' && command === 'pause'))
    // logrotate renames it at any time.
    renameSync(join(bob.dir, 'audit.log'), join(bob.dir, 'audit.log.1'))
    await type('resume')
    assert.partialDeepStrictEqual(linesOf(join(bob.dir, 'audit.log'))[0], { event: 'command', command: 'resume' })
  })
})

test('somebody out there bans an address of this node', async (t) => {
  const mesh = createMesh({
    friends: { alice: ['bob'], bob: ['alice'] },
    // Bob is known by an address that alice does not know as his.
    config: (name) => (name === 'bob' ? { announce: ['/ip4/198.51.100.77/tcp/7337'] } : {})
  })
  t.after(() => mesh.dispose())
  const shell = createShell(t)
  await mesh.start()
  await mesh.connected()
  const [alice, bob] = [mesh.node('alice'), mesh.node('bob')]
  await alice.ban('198.51.100.0/24').catch(() => undefined)
  const alerts = async (): Promise<readonly Alert[]> => (await bob.status()).alerts
  const [alert] = await until(async () => ((await alerts()).length > 0 ? alerts() : null), 'the alert')
  assert.partialDeepStrictEqual(alert, {
    subject: '198.51.100.0/24',
    reason: 'own-address',
    by: [{ origin: alice.id, name: 'alice', jail: 'manual', via: ['alice'] }]
  })
  assert.match(
    await typed(shell, bob, 'status'),
    /^ALERT {6}198\.51\.100\.0\/24, an address of this node, is banned by alice \(manual\)$/m
  )
  const log = readFileSync(join(bob.dir, 'daemon.log'), 'utf8')
  assert.match(log, /"reason":"own-address".*somebody out there bans an address of this node/)
  await alice.unban('198.51.100.0/24')
  await until(async () => (await alerts()).length === 0, 'its end')
})

test('allow add, list and remove are live', async (t) => {
  const mesh = createMesh({ friends: { alice: ['bob'], bob: ['alice'] } })
  t.after(() => mesh.dispose())
  const shell = createShell(t)
  await mesh.start()
  await mesh.connected()
  const [alice, bob] = [mesh.node('alice'), mesh.node('bob')]
  const type = (command: string): Promise<string> => typed(shell, bob, command)
  assert.equal(await type('allow list'), 'the allowlist is empty')
  await alice.ban('203.0.113.1')
  await until(() => handedOver(bob).includes('+203.0.113.1'), 'the hand-off')
  assert.equal(await type('allow add 203.0.113.0/28'), '203.0.113.0/28 is never banned here')
  await until(() => handedOver(bob).includes('-203.0.113.1'), 'the unban')
  assert.equal(await type('allow list'), '203.0.113.0/28')
  assert.match(await type('why 203.0.113.1'), /\(allowlisted\)/)
  assert.equal(await type('allow remove 203.0.113.0/28'), '203.0.113.0/28 is off the allowlist')
  await until(() => isBanned(bob, '203.0.113.1'), 'the ban to be back')
})
