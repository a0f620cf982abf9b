import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import type { FriendView, Identity } from '../../src/control/api.ts'
import { createIdentity, loadIdentity } from '../../src/daemon/identity.ts'
import { signRotation, writeRotation } from '../../src/daemon/rotation.ts'
import { createMesh, type NodeHandle } from '../support/nodes.ts'
import { until } from '../support/until.ts'

const MAIN = join(import.meta.dirname, '../../bin/banmesh.ts')
const SUBJECT = '198.51.100.1'

async function rotate(node: NodeHandle): Promise<{ peerId: string; old: string; kept: string; told: number }> {
  const args = [MAIN, '--config', join(node.dir, 'banmesh.yaml'), '--json', 'id', 'rotate']
  return JSON.parse((await promisify(execFile)(process.execPath, args)).stdout)
}

async function friend(node: NodeHandle, name: string): Promise<FriendView> {
  return (await node.get<FriendView[]>('/v1/friends')).find((one) => one.name === name)!
}

function configured(node: NodeHandle, name: string): Record<string, unknown> {
  const config = JSON.parse(readFileSync(join(node.dir, 'banmesh.yaml'), 'utf8')) as {
    friends: Record<string, unknown>[]
  }
  return config.friends.find((one) => one['name'] === name)!
}

const TRIANGLE = { alice: ['bob', 'carol'], bob: ['alice'], carol: ['alice'] }

for (const dht of [true, false]) {
  test(`friends take a new key over: those who are there at once, others when they meet it; what was said is said again (DHT ${dht})`, async () => {
    await using mesh = createMesh({ friends: TRIANGLE, config: () => ({ discovery: { dht } }) })
    const [alice, bob, carol] = mesh.nodes as [NodeHandle, NodeHandle, NodeHandle]
    await mesh.start()
    await mesh.connected()
    await alice.ban(SUBJECT)
    await until(async () => (await bob.why(SUBJECT)).accepted, 'the ban')
    // With the DHT one of them is away; without it he could not be told, for nobody but friends may connect.
    if (dht) await carol.stop()
    const { peerId, told } = await rotate(alice)
    assert.equal(told, dht ? 1 : 2)
    await until(async () => (await friend(bob, 'alice')).id === peerId, 'bob to know the new ID')
    assert.deepEqual(configured(bob, 'alice')['was'], alice.id)
    assert.match((await bob.status()).lastError!, /^alice has a new peer ID, signed by its old key: compare \d{5} /)

    if (dht) await carol.start()
    await alice.stop()
    await alice.start()
    assert.equal((await alice.get<Identity>('/v1/id')).peerId, peerId)
    await until(async () => (await friend(carol, 'alice')).id === peerId, 'carol to know the new ID', 30_000)
    for (const other of [bob, carol]) {
      await until(async () => (await friend(other, 'alice')).connected, 'the friend to be back', 30_000)
      await until(
        async () => (await other.why(SUBJECT)).evidence.some(({ origin }) => origin === peerId),
        'the ban to be said again'
      )
      assert.equal((await other.why(SUBJECT)).score, 80)
      assert.equal((await other.status()).refused['wrong-origin'], undefined)
    }
  })
}

test('a statement moves a friend once: another one by the same old key is refused and reported', async () => {
  await using mesh = createMesh({
    friends: { alice: ['bob'], bob: ['alice'] },
    config: () => ({ discovery: { dht: true } })
  })
  const [alice, bob] = mesh.nodes as [NodeHandle, NodeHandle]
  await mesh.start()
  await mesh.connected()
  const { peerId, kept } = await rotate(alice)
  await alice.stop()
  // A thief of the old key makes a statement of his own, and comes with its new key.
  const old = loadIdentity(kept)
  const key = join(alice.dir, 'thief')
  const thief = createIdentity(key)
  assert(old.ok && thief.ok)
  writeRotation(alice.dir, signRotation('test', old.value, thief.value, Date.now()))
  const { copyFileSync } = await import('node:fs')
  copyFileSync(key, join(alice.dir, 'identity.key'))
  await alice.start()
  await until(
    async () => (await bob.status()).lastError?.startsWith('the old key of alice has signed a second new ID'),
    'the report',
    30_000
  )
  assert.equal((await friend(bob, 'alice')).id, peerId)
})

test('a statement about somebody else does nothing', async () => {
  await using mesh = createMesh({
    friends: { alice: ['bob'], bob: ['alice', 'carol'], carol: ['bob'] },
    config: () => ({ discovery: { dht: true } })
  })
  const [alice, bob, carol] = mesh.nodes as [NodeHandle, NodeHandle, NodeHandle]
  await mesh.start()
  await mesh.connected()
  await carol.stop()
  const stolen = loadIdentity(join(alice.dir, 'identity.key'))
  const next = createIdentity(join(carol.dir, 'next'))
  assert(stolen.ok && next.ok)
  // carol has alice's statement, but neither of its keys: her node does not even bring it.
  writeRotation(carol.dir, signRotation('test', stolen.value, next.value, Date.now()))
  await carol.start()
  await mesh.connected()
  const told = await carol.call({ method: 'POST', path: '/v1/rotation' })
  assert(told.ok)
  assert.deepEqual(told.body, { told: 0, total: 1 })
  assert.equal((await friend(bob, 'alice')).id, alice.id)
})
