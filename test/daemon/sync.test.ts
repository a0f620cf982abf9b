import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMesh, type NodeHandle } from '../support/nodes.ts'
import { until } from '../support/until.ts'

const KEPT = '198.51.100.1'
const LIFTED = '198.51.100.2'

function scoreOf(node: NodeHandle, subject: string): Promise<number> {
  return node.why(subject).then(({ score }) => score)
}

test('a friend who was away catches up with bans and lifts, also when their origin is gone for good', async () => {
  await using mesh = createMesh({ friends: { alice: ['bob'], bob: ['alice', 'carol'], carol: ['bob'] } })
  const [alice, bob, carol] = mesh.nodes as [NodeHandle, NodeHandle, NodeHandle]
  await mesh.start()
  await mesh.connected()
  await alice.ban(LIFTED)
  await until(async () => (await scoreOf(carol, LIFTED)) === 64, 'carol to hear of the first ban')

  await carol.stop()
  await alice.ban(KEPT)
  await alice.unban(LIFTED)
  await until(async () => (await scoreOf(bob, KEPT)) === 80, 'bob to hear of the second ban')
  await until(async () => (await scoreOf(bob, LIFTED)) === 0, 'bob to hear of the lift')
  await alice.kill()

  await carol.start()
  await until(async () => (await scoreOf(carol, KEPT)) === 64, 'carol to catch up with the ban')
  await until(async () => (await scoreOf(carol, LIFTED)) === 0, 'carol to catch up with the lift')
  const path = (await carol.why(KEPT)).evidence[0]!.path.map(({ peer }) => peer)
  assert.deepEqual(path, [bob.id, alice.id])
})

test('a node of a partitioned pair takes up what the other said meanwhile, both ways', async () => {
  await using mesh = createMesh({ friends: { alice: ['bob'], bob: ['alice'] } })
  const [alice, bob] = mesh.nodes as [NodeHandle, NodeHandle]
  for (const [node, other] of [
    [alice, bob],
    [bob, alice]
  ] as const) {
    await node.start()
    for (let host = 1; host <= 20; host++) await node.ban(`198.51.100.${host + (node === alice ? 0 : 100)}`)
    await node.stop()
    assert.equal(other.running(), false)
  }
  await mesh.start()
  await until(async () => (await alice.status()).reports === 40 && (await bob.status()).reports === 40, 'equal ledgers')
  const subjects = (list: { subject: string }[]): string[] => list.map(({ subject }) => subject).sort()
  assert.deepEqual(subjects(await alice.verdicts()), subjects(await bob.verdicts()))
})
