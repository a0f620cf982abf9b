/** What whoever reads the disk finds of an attacker: the address, and nothing that the attacker typed. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { globSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { createMesh, type NodeHandle } from '../support/nodes.ts'
import { until } from '../support/until.ts'

const MAIN = new URL('../../bin/banmesh.ts', import.meta.url).pathname
const SUBJECT = '203.0.113.7'
/** Of a log line, as fail2ban has it in `<matches>`. (A mere word would do as the name of a jail, which no attacker chooses.) */
const TYPED = ['hunter2!', 'Failed password for root']

test('nothing that an attacker typed is stored, logged or handed on, by whatever way fail2ban tells it', async () => {
  const now = Math.floor(Date.now() / 1000)
  const ban = { event: 'ban', jail: 'sshd', ip: SUBJECT, time: now, banTime: 3600, failures: 3 }
  await using mesh = createMesh({
    friends: { alice: ['bob'], bob: ['alice'] },
    config: () => ({ log: { level: 'debug' } })
  })
  await mesh.start()
  await mesh.connected()
  const [alice, bob] = mesh.nodes as [NodeHandle, NodeHandle]
  const spool = join(alice.dir, 'spool')
  await until(() => statSync(spool, { throwIfNoEntry: false }), 'the spool')
  let spooled = 0
  const leave = (event: unknown): void => {
    const name = `${String(Date.now() + spooled++).padStart(15, '0')}-0000000007.json`
    writeFileSync(join(spool, name), JSON.stringify({ at: Date.now(), event }))
  }
  for (const typed of TYPED) {
    const words = ['ban', '--jail', 'sshd', '--ip', '203.0.113.8', '--time', String(now), '--bantime', '600']
    for (const [option, ip] of [
      ['--matches', '203.0.113.8'],
      ['--failures', '203.0.113.8'],
      ['--failures', typed]
    ]) {
      const args = words.map((word) => (word === '203.0.113.8' ? ip! : word))
      spawnSync(process.execPath, [MAIN, '--config', join(alice.dir, 'banmesh.yaml'), 'hook', ...args, option!, typed])
    }
    for (const more of [{ matches: typed }, { jail: typed }, { ip: typed }]) {
      const answer = await alice.call({ method: 'POST', path: '/v1/hook', body: { ...ban, ...more } })
      if ('matches' in more) assert.equal(answer.ok, false)
      leave({ ...ban, ip: '203.0.113.9', ...more })
    }
    await alice.call({ method: 'POST', path: '/v1/bans', body: { subject: '203.0.113.10', note: typed } })
  }
  leave(ban)
  await until(async () => (await bob.why(SUBJECT)).accepted, 'the ban to reach bob')
  await until(() => globSync(join(spool, '*.json')).length === 0, 'the spool to be read')
  const files = mesh.nodes.flatMap(({ dir }) => globSync(`${dir}/**`).filter((file) => statSync(file).isFile()))
  const found = (text: string): string[] => files.filter((file) => readFileSync(file).includes(text))
  for (const { dir } of mesh.nodes)
    assert.ok(
      found(SUBJECT).some((file) => file.startsWith(dir)),
      'the address is found'
    )
  for (const typed of TYPED) assert.deepEqual(found(typed), [])
})
