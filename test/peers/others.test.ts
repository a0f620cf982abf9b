/** The bugs of syncfail2ban, psydiamond's agent and CrowdSec, one test each (31 to 35). */
import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { createFail2banClient } from '../../src/fail2ban/client.ts'
import { decide } from '../../src/fail2ban/events.ts'
import { createProtection } from '../../src/core/protection.ts'
import { compare } from '../../src/fail2ban/reconcile.ts'
import { createStand, NOW, trusting } from '../daemon/stand.ts'
import { createIntruder, framed } from '../support/intruder.ts'
import { createMesh } from '../support/nodes.ts'
import { claimOf, createPeer, seal } from '../support/peers.ts'
import { until } from '../support/until.ts'

const HOST = '198.51.100.7'
const UNTIL = NOW / 1000 + 3600

test('bug 31: neither a stranger nor a friend can command a node: not to stop, not to allow, not to lift', async (t) => {
  const stranger = await createIntruder(t)
  const friend = await createIntruder(t)
  await using mesh = createMesh({
    friends: { alice: ['bob'], bob: ['alice'] },
    more: [{ id: friend.peer.id, name: 'friend' }],
    config: () => ({ discovery: { dht: true } })
  })
  await mesh.start()
  await mesh.connected()
  const [alice, bob] = [mesh.node('alice'), mesh.node('bob')]
  await bob.ban(HOST)
  await until(async () => (await alice.why(HOST)).accepted, 'the ban')
  await stranger.connect(alice, 'stranger')
  await friend.connect(alice)
  for (const { libp2p, open } of [stranger, friend]) {
    const protocols = ['/banmesh/test/sync/1.0.0', '/meshsub/1.2.0', '/banmesh/test/kad/1.0.0', '/ipfs/id/push/1.0.0']
    for (const protocol of protocols) {
      const stream = await open(alice, protocol).catch(() => null)
      if (stream === null) continue
      const words = framed(stream)
      for (const word of ['stop_all', 'addignoreip 0.0.0.0/0', 'unbanip --all']) {
        await words.write(Buffer.from(word)).catch(() => undefined)
      }
    }
    assert.ok(libp2p)
  }
  // The lift of somebody else's ban, with every right to speak for oneself.
  const now = Date.now()
  const lift = claimOf(HOST, { kind: 'unban', until: Math.floor(now / 1000) + 3600, jail: 'manual' })
  const mark = claimOf('203.0.113.1', { until: Math.floor(now / 1000) + 3600 })
  await friend.publish(seal(friend.peer, { issuedAt: now, claims: [lift, mark] }))
  await until(async () => (await alice.why('203.0.113.1')).accepted, 'what the friend says to be heard')
  const { accepted, reason, evidence } = await alice.why(HOST)
  assert.deepEqual([accepted, reason, evidence.map(({ origin }) => origin)], [true, 'accepted', [bob.id]])
})

test('bug 32: a query that failed is not an empty list: nothing is lifted, and nothing vetoed', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'banmesh-query-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const client = join(folder, 'client')
  for (const script of ['exit 255', 'true', 'echo', 'echo Traceback; exit 1', 'printf 203.0.113.7', 'kill -9 $$']) {
    writeFileSync(client, `#!/bin/sh\n${script}\n`)
    chmodSync(client, 0o755)
    const listed = await createFail2banClient({ client }).banned('banmesh')
    // An empty line is what fail2ban prints for a jail without bans.
    assert.equal(listed.ok, script === 'echo', script)
  }
})

test('bug 33: the natural end of a ban is no unban by hand, at the second and after it', () => {
  const rules = {
    jails: ['*'],
    minBanTimeSeconds: 0,
    maxBanTimeSeconds: 1e6,
    meshJails: ['banmesh']
  }
  const event = { event: 'unban', jail: 'sshd', ip: HOST, time: 1_700_000_000, banTime: 600 } as const
  const at = (seconds: number) =>
    decide([], event, (event.time + seconds) * 1000, rules).decisions.map(({ kind }) => kind)
  assert.deepEqual([at(0), at(599), at(600), at(1e6)], [['lift'], ['lift'], [], []])
  // The same in the jail of the mesh: a ban that has reached its end there is not vetoed.
  const subject = HOST as never
  const wanted = { subject, until: UNTIL, jail: 'sshd', score: 1, origins: 1 }
  const missing = (handedAgo: number) =>
    compare({
      wanted: [wanted],
      handed: new Map([[subject, NOW / 1000 - handedAgo]]),
      lifted: new Set(),
      listed: new Set(),
      ignored: [],
      life: 'same',
      banTimeSeconds: 600,
      nowSeconds: NOW / 1000
    })
  assert.deepEqual([missing(100).veto, missing(600).veto], [[subject], []])
})

test('bug 34: nothing passes the allowlist: not by claim, CIDR, many votes, command or fail2ban', async () => {
  const friends = Array.from({ length: 3 }, createPeer)
  const node = createStand(friends.map((friend) => trusting(friend, 100)))
  const allowlist = ['198.51.100.7', '203.0.113.0/24'] as never
  node.guard.protectedBy = createProtection({
    allowlist,
    own: [],
    friends: [],
    vetoes: [],
    protectReserved: false
  }).protectedBy
  const subjects = [HOST, '198.51.100.0/24', '203.0.113.1', '203.0.113.128/25', '::ffff:203.0.113.1']
  for (const friend of friends) {
    const claims = subjects.slice(0, 4).map((subject) => claimOf(subject, { until: UNTIL }))
    await node.ingest(seal(friend, { issuedAt: NOW, claims }), friend.id)
  }
  for (const subject of subjects.slice(0, 4)) {
    const { accepted, reason } = node.verdicts.get(subject as never)!
    assert.deepEqual([accepted, reason], [false, 'allowlisted'], subject)
  }
  assert.deepEqual(node.handedOver(), [])

  await using mesh = createMesh({
    friends: { alice: [] },
    config: () => ({ allowlist: ['198.51.100.7', '203.0.113.0/24'] })
  })
  await mesh.start()
  const alice = mesh.node('alice')
  for (const subject of subjects) {
    const answer = await alice.call({ method: 'POST', path: '/v1/bans', body: { subject } })
    assert(!answer.ok && answer.reason === 'refused')
    assert.deepEqual([answer.status, answer.error.reason], [403, 'allowlisted'], subject)
  }
  const now = Math.floor(Date.now() / 1000)
  const hook = { event: 'ban', jail: 'sshd', ip: HOST, time: now, banTime: 600, failures: 3 }
  assert.equal((await alice.call({ method: 'POST', path: '/v1/hook', body: hook })).ok, true)
  assert.deepEqual(await alice.verdicts(), [])
})

test('bug 35: what fails in a batch fails alone', async () => {
  const bob = createPeer()
  const node = createStand([trusting(bob, 90)])
  const good = (n: number) => seal(bob, { issuedAt: NOW + n, claims: [claimOf(`203.0.113.${n}`, { until: UNTIL })] })
  node.db.exec(`CREATE TRIGGER poison BEFORE INSERT ON claims WHEN NEW.subject = '203.0.113.2'
    BEGIN SELECT RAISE(ABORT, 'poison'); END`)
  const batch = [good(1), Uint8Array.of(1), good(2), good(3), seal(bob, { issuedAt: NOW, claims: [] }), good(4)]
  const outcomes = await Promise.all(batch.map((envelope) => node.ingest(envelope, bob.id)))
  assert.deepEqual(
    outcomes.map((outcome) => (outcome.kind === 'refused' ? outcome.reason : outcome.kind)),
    ['accepted', 'bad-shape', 'internal-error', 'accepted', 'no-claims', 'accepted']
  )
})
