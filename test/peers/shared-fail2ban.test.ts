/** The bugs of Shared-Fail2Ban, one test each (19 to 21). */
import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { PeerId, ReportId } from '../../src/core/report.ts'
import type { Subject } from '../../src/core/subject.ts'
import { createFail2banClient } from '../../src/fail2ban/client.ts'
import { installFiles } from '../../src/fail2ban/install.ts'
import { openDatabase } from '../../src/store/database.ts'
import { createLedger } from '../../src/store/ledger.ts'
import { createVerdicts } from '../../src/store/verdicts.ts'
import { createMesh } from '../support/nodes.ts'
import { claimOf } from '../support/peers.ts'
import { until } from '../support/until.ts'

test('bug 19: no value is read as SQL, even if it had got past every decoder', () => {
  const opened = openDatabase(':memory:')
  assert(opened.ok)
  const ledger = createLedger(opened.value)
  const evil = `x' OR '1'='1'; DROP TABLE claims; --`
  const report = { origin: evil as PeerId, issuedAt: 1, claims: [claimOf(evil, { jail: evil })] }
  const signed = { id: 'ab'.repeat(32) as ReportId, bytes: new Uint8Array(1), signature: new Uint8Array(64), report }
  ledger.record(signed, evil as PeerId, null)
  createVerdicts(opened.value).veto(evil as Subject, 1)
  assert.deepEqual(ledger.counts(), { reports: 1, claims: 1 })
  assert.equal(ledger.bans(evil as Subject, 0)[0]?.jail, evil)
  assert.equal(ledger.bans('x' as Subject, 0).length, 0)
})

test('bug 20: what one friend is answered is made for that friend, and not taken from a cache of another', async () => {
  await using mesh = createMesh({
    friends: { alice: ['bob', 'carol'], bob: ['alice'], carol: ['alice'] }
  })
  await Promise.all(['alice', 'bob'].map((name) => mesh.node(name).start()))
  await mesh.connected()
  const [alice, bob, carol] = [mesh.node('alice'), mesh.node('bob'), mesh.node('carol')]
  await bob.ban('198.51.100.1')
  await until(async () => (await alice.why('198.51.100.1')).accepted, "bob's ban")
  await bob.stop()
  await bob.start()
  await carol.start()
  await mesh.connected()
  // To carol the report is served with alice's hop; to bob, whose own it is, not at all.
  await until(async () => (await carol.why('198.51.100.1')).score === 64, 'carol to be served')
  assert.deepEqual(
    (await bob.why('198.51.100.1')).evidence.map(({ path }) => path),
    [[]]
  )
  assert.equal((await bob.status()).refused['own-origin'] ?? 0, 0)
})

test('bug 21: nothing that fail2ban starts, and nothing that we start, may take for ever', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'banmesh-hang-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const client = join(folder, 'client')
  writeFileSync(client, '#!/bin/sh\nexec sleep 600\n')
  chmodSync(client, 0o755)
  const answer = await createFail2banClient({ client, timeoutMs: 100 }).banTime('banmesh')
  assert.deepEqual(answer, { ok: false, reason: 'timeout' })
  const files = installFiles()
  const action = files.ok && files.value.find(({ path }) => path.endsWith('action.d/banmesh.conf'))
  assert(action)
  const seconds = Number(/^timeout = (\d+)$/m.exec(action.content)?.[1])
  assert.ok(seconds > 0 && seconds <= 10, 'the shipped action has a time-out')
})
