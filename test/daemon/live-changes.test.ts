import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { promisify } from 'node:util'
import type { FriendView } from '../../src/control/api.ts'
import { createMesh, type NodeHandle } from '../support/nodes.ts'
import { until } from '../support/until.ts'

const MAIN = join(import.meta.dirname, '../../bin/banmesh.ts')
const SUBJECT = '198.51.100.1'

async function cli(node: NodeHandle, ...words: string[]): Promise<void> {
  await promisify(execFile)(process.execPath, [MAIN, '--config', join(node.dir, 'banmesh.yaml'), ...words])
}

/** Changes the config as an editor does, and sends SIGHUP. */
function edit(node: NodeHandle, change: (config: { friends: Record<string, unknown>[] }) => void): void {
  const file = join(node.dir, 'banmesh.yaml')
  const config = JSON.parse(readFileSync(file, 'utf8')) as { friends: Record<string, unknown>[] }
  change(config)
  writeFileSync(file, JSON.stringify(config, null, 2))
  process.kill(node.pid(), 'SIGHUP')
}

/** Bans one address after the other, as fast as it goes, until the test ends. */
function flood(t: TestContext, node: NodeHandle): { said(): number } {
  let said = 0
  let ended = false
  const bans = async (): Promise<void> => {
    while (!ended) await node.ban(`198.51.${101 + Math.floor(said / 250)}.${(said++ % 250) + 1}`)
  }
  const running = Promise.all([bans(), bans(), bans()]).catch(() => {})
  t.after(async () => {
    ended = true
    await running
  })
  return { said: () => said }
}

for (const [how, remove] of [
  ['by command', (alice: NodeHandle) => cli(alice, 'friend', 'remove', 'bob')],
  [
    'by SIGHUP',
    async (alice: NodeHandle) => {
      edit(alice, (config) => (config.friends = []))
      await until(async () => (await alice.status()).friends.total === 0, 'the friend to be gone')
    }
  ]
] as const) {
  test(`a friend removed ${how} in the middle of a flood delivers nothing afterwards, and its evidence counts no more`, async (t) => {
    await using mesh = createMesh({ friends: { alice: ['bob'], bob: ['alice'] } })
    const [alice, bob] = mesh.nodes as [NodeHandle, NodeHandle]
    await mesh.start()
    await mesh.connected()
    await bob.ban(SUBJECT)
    const { said } = flood(t, bob)
    await until(async () => (await alice.status()).reports > 50, 'the flood to arrive')
    assert.equal((await alice.why(SUBJECT)).score, 80)
    await remove(alice)
    const { reports } = await alice.status()
    await until(async () => (await alice.verdicts()).length === 0, 'no verdict to stand on it')
    assert.deepEqual((await alice.why(SUBJECT)).evidence, [])
    const before = said()
    await until(() => said() > before + 100, 'the flood to go on')
    assert.equal((await alice.status()).reports, reports)
  })
}

test('trust, observe, pause and a friend added again take effect at once, by SIGHUP and by command', async () => {
  await using mesh = createMesh({ friends: { alice: ['bob'], bob: ['alice'] } })
  const [alice, bob] = mesh.nodes as [NodeHandle, NodeHandle]
  await mesh.start()
  await mesh.connected()
  await bob.ban(SUBJECT)
  const score = async (): Promise<number> => (await alice.why(SUBJECT)).score
  const change = (fields: Record<string, unknown>): void =>
    edit(alice, (config) => Object.assign(config.friends[0]!, fields))
  await until(async () => (await alice.verdicts()).some(({ accepted }) => accepted), 'the ban')

  change({ trust: 50 })
  await until(async () => (await score()) === 50, 'less trust')
  assert.equal((await alice.why(SUBJECT)).accepted, false)
  await cli(alice, 'friend', 'trust', 'bob', '90')
  assert.equal((await alice.why(SUBJECT)).accepted, true)
  change({ observe: true })
  await until(async () => !(await alice.why(SUBJECT)).accepted, 'to be observed only')
  change({ observe: false })
  await until(async () => (await alice.why(SUBJECT)).accepted, 'no longer to be observed only')
  await cli(alice, 'friend', 'pause', 'bob')
  assert.deepEqual((await alice.why(SUBJECT)).evidence, [])
  await cli(alice, 'friend', 'resume', 'bob')
  assert.equal((await alice.why(SUBJECT)).score, 90)

  await cli(alice, 'friend', 'remove', 'bob')
  assert.equal(await score(), 0)
  await cli(alice, 'friend', 'add', bob.id, '--name', 'bob', '--trust', '70')
  await until(async () => (await alice.get<FriendView[]>('/v1/friends'))[0]!.connected, 'the friend to be back')
  await until(async () => (await score()) === 70, 'what it says to count again')
})

test('two reloads at the same time end with the newer config', async () => {
  await using mesh = createMesh({ friends: { alice: ['bob'], bob: ['alice'] } })
  const [alice] = mesh.nodes as [NodeHandle, NodeHandle]
  await mesh.start()
  await mesh.connected()
  for (let i = 0; i < 5; i++) {
    const entry = (await alice.get<FriendView[]>('/v1/friends'))[0]!
    const { id, name, trust, addresses } = entry
    edit(alice, (config) => (config.friends = []))
    edit(alice, (config) => (config.friends = [{ id, name, trust, addresses }]))
    edit(alice, (config) => (config.friends = []))
    edit(alice, (config) => (config.friends = [{ id, name, trust, addresses }]))
    assert((await alice.call({ method: 'POST', path: '/v1/reload' })).ok)
    await mesh.connected()
  }
})
