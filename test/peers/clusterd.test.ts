/** The bugs of fail2ban-clusterd, one test each (14 to 18). */
import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { test } from 'node:test'
import type { Cidr } from '../../src/core/cidr.ts'
import { parseSubject } from '../../src/core/subject.ts'
import { decide } from '../../src/fail2ban/events.ts'
import { createFail2banClient } from '../../src/fail2ban/client.ts'
import { parseHookArgs } from '../../src/fail2ban/hook-event.ts'
import { createStand, NOW, trusting } from '../daemon/stand.ts'
import { pair } from '../mesh/nodes.ts'
import { createMesh } from '../support/nodes.ts'
import { claimOf, createPeer, seal } from '../support/peers.ts'
import { until } from '../support/until.ts'

const HOST = '198.51.100.7'
const UNTIL = NOW / 1000 + 3600

test('bug 14: a value with shell syntax in it reaches a program as one word, and no shell', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'banmesh-shell-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const client = join(folder, 'client')
  writeFileSync(client, `#!/bin/sh\nprintf '%s\\n' "$@" >>"${folder}/words"\necho 1\n`)
  chmodSync(client, 0o755)
  const evil = [
    `203.0.113.7;touch ${folder}/owned`,
    `$(touch ${folder}/owned)`,
    `\`touch ${folder}/owned\``,
    '-x',
    '\n'
  ]
  // Such a subject can't even come to be; the client is handed it all the same.
  for (const text of evil) assert.equal(parseSubject(text).ok, false)
  await createFail2banClient({ client }).ban('banmesh', evil as unknown as Cidr[])
  assert.equal(existsSync(join(folder, 'owned')), false)
  assert.equal(readFileSync(join(folder, 'words'), 'utf8'), `set\nbanmesh\nbanip\n${evil.join('\n')}\n`)
})

test('bug 15: a filter is not passed by naming a key twice, nor by a word without one', async () => {
  const ban = ['ban', '--jail', 'sshd', '--ip', '203.0.113.7', '--time', '1', '--bantime', '600']
  assert.equal(parseHookArgs(ban).ok, true)
  for (const words of [
    [...ban, '--jail', 'other'],
    [...ban, 'other'],
    [...ban, '--jail'],
    ['ban', '--jail=sshd', ...ban.slice(3)]
  ]) {
    assert.deepEqual(parseHookArgs(words), { ok: false, reason: 'bad-option' })
  }
  const bob = createPeer()
  const node = createStand([{ ...trusting(bob, 90), jails: ['sshd'] }])
  const claims = [claimOf(HOST, { until: UNTIL }), claimOf(HOST, { until: UNTIL })]
  assert.deepEqual(await node.ingest(seal(bob, { issuedAt: NOW, claims }), bob.id), {
    kind: 'refused',
    reason: 'duplicate-claim'
  })
  await node.ingest(seal(bob, { issuedAt: NOW, claims: [claimOf(HOST, { until: UNTIL, jail: 'nginx' })] }), bob.id)
  assert.notEqual(node.verdicts.get(HOST as never)?.accepted, true, 'bob is believed about sshd only')
})

test('bug 16: what happens in one jail concerns that jail, and what is said in one network concerns that network', async () => {
  const rules = { jails: ['sshd'], minBanTimeSeconds: 0, maxBanTimeSeconds: 1e6, meshJails: ['banmesh'] }
  const event = { event: 'ban', ip: HOST, time: 1_700_000_000, banTime: 600 } as const
  assert.equal(decide([], { ...event, jail: 'sshd' }, NOW, rules).decisions.length, 1)
  for (const jail of ['nginx', 'banmesh']) assert.deepEqual(decide([], { ...event, jail }, NOW, rules).decisions, [])
  const bob = createPeer()
  const node = createStand([trusting(bob, 90)])
  const both = ['sshd', 'nginx'].map((jail) => claimOf(HOST, { until: UNTIL, jail }))
  await node.ingest(seal(bob, { issuedAt: NOW, claims: both }), bob.id)
  const lift = [claimOf(HOST, { kind: 'unban', until: UNTIL, jail: 'nginx' })]
  await node.ingest(seal(bob, { issuedAt: NOW + 1, claims: lift }), bob.id)
  assert.equal(node.verdicts.get(HOST as never)?.accepted, true, 'the ban in the other jail stands')
  const elsewhere = seal(
    bob,
    { issuedAt: NOW + 2, claims: [claimOf('203.0.113.1', { until: UNTIL })] },
    { network: 'other' }
  )
  assert.deepEqual(await node.ingest(elsewhere, bob.id), { kind: 'refused', reason: 'bad-signature' })
})

test('bug 17: of many messages sent in one go every one arrives', async () => {
  await using mesh = createMesh({ friends: { alice: ['bob'], bob: ['alice'] } })
  await mesh.start()
  await mesh.connected()
  const [alice, bob] = [mesh.node('alice'), mesh.node('bob')]
  const subjects = Array.from({ length: 200 }, (_, i) => `203.0.113.${i}`)
  await Promise.all(subjects.map((subject) => alice.ban(subject)))
  await until(async () => (await bob.status()).verdicts.accepted === subjects.length, 'all two hundred')
})

test('bug 18: a node that pings its friends is idle in between', async (t) => {
  // With the default of fifteen seconds the first ping interval would be over long after the test.
  const options = { limits: { pingIntervalMs: 100 }, dht: false }
  const [a] = await pair(t, options, options)
  await until(() => a.mesh.friends()[0]?.rttMs !== null, 'the first ping')
  await until(async () => {
    const before = performance.eventLoopUtilization()
    await delay(500)
    return performance.eventLoopUtilization(before).utilization < 0.5
  }, 'five ping intervals in which the event loop rests for half of the time')
})
