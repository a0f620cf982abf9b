/** The one thing on the network that changes a config: a friend's new key, in the wrong hands. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import type { FriendView } from '../../src/control/api.ts'
import { createIdentity, loadIdentity } from '../../src/daemon/identity.ts'
import { signRotation } from '../../src/daemon/rotation.ts'
import type { PeerId } from '../../src/core/report.ts'
import { encodeRotation } from '../../src/wire/rotation.ts'
import { createIntruder, type Intruder } from '../support/intruder.ts'
import { createMesh, type NodeHandle } from '../support/nodes.ts'
import { until } from '../support/until.ts'

const REFUSED = 0

/** Null if the stream was reset: one at a time. */
async function ask({ open }: Intruder, node: NodeHandle, statement: Uint8Array): Promise<number[] | null> {
  const stream = await open(node, '/banmesh/test/rotation/1.0.0')
  const answer: number[] = []
  stream.addEventListener('message', ({ data }) => answer.push(...data.subarray()))
  stream.send(Uint8Array.of(statement.length, ...statement))
  await until(() => answer.length > 0 || stream.status !== 'open', 'the answer')
  stream.abort(new Error('heard'))
  return answer.length > 0 ? answer : null
}

test('a statement about a new key does nothing in the hands of somebody else, stranger or friend', async (t) => {
  const [friend, stranger] = [await createIntruder(t), await createIntruder(t)]
  await using mesh = createMesh({
    friends: { alice: ['bob'], bob: ['alice'] },
    more: [{ id: friend.peer.id, name: 'mallory' }],
    config: () => ({ discovery: { dht: true } })
  })
  await mesh.start()
  await mesh.connected()
  const [alice, bob] = mesh.nodes as [NodeHandle, NodeHandle]
  const known = async () => (await alice.get<FriendView[]>('/v1/friends')).map(({ id }) => id).sort()
  const before = await known()
  const old = loadIdentity(join(bob.dir, 'identity.key'))
  const next = createIdentity(join(bob.dir, 'next'))
  assert(old.ok && next.ok)
  const true_ = signRotation('test', old.value, next.value, Date.now())
  for (const one of [friend, stranger]) {
    await one.connect(alice, one === friend ? 'friend' : 'stranger')
    const { id, key } = one.peer
    const toItself = { old: bob.id as PeerId, next: id, issuedAt: Date.now() }
    for (const [what, statement] of [
      ['a true one, overheard', true_],
      ['one to its own key, signed by that alone', encodeRotation('test', toItself, { old: key, next: key })]
    ] as const) {
      const answer = await until(() => ask(one, alice, statement), 'the answer')
      assert.deepEqual(answer, [REFUSED], what)
    }
  }
  assert.deepEqual(await known(), before)
})
