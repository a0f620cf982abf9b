/** Clocks that are off: what is taken, what is refused, and how an operator sees it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMesh, type NodeHandle } from '../support/nodes.ts'
import { requires } from '../support/requirements.ts'
import { until } from '../support/until.ts'

const BY_ALICE = '198.51.100.1'
const BY_BOB = '198.51.100.2'

/** bob's clock is off; alice's is right. The protocol allows a report to be ten minutes ahead of its receiver. */
const CASES: readonly { offset: string; bobTakes: boolean; aliceTakes: boolean }[] = [
  { offset: '+9m', bobTakes: true, aliceTakes: true },
  { offset: '-9m', bobTakes: true, aliceTakes: true },
  { offset: '+11m', bobTakes: true, aliceTakes: false },
  { offset: '-11m', bobTakes: false, aliceTakes: true }
]

for (const { offset, bobTakes, aliceTakes } of CASES) {
  const taken = (takes: boolean): string => (takes ? 'takes' : 'refuses')
  const title = `with bob's clock off by ${offset} alice ${taken(aliceTakes)} his bans, and he ${taken(bobTakes)} hers`
  test(title, { skip: requires({ commands: ['faketime'] }) }, async () => {
    await using mesh = createMesh({ friends: { alice: ['bob'], bob: ['alice'] } })
    const [alice, bob] = mesh.nodes as [NodeHandle, NodeHandle]
    bob.setClock(offset)
    await mesh.start()
    await mesh.connected()
    await alice.ban(BY_ALICE)
    await bob.ban(BY_BOB)
    await check(bob, BY_ALICE, bobTakes)
    await check(alice, BY_BOB, aliceTakes)
  })
}

async function check(node: NodeHandle, subject: string, takes: boolean): Promise<void> {
  await until(
    async () => (await node.why(subject)).accepted || (await node.status()).refused['future'] !== undefined,
    `${node.name} to make up its mind`
  )
  assert.equal((await node.why(subject)).accepted, takes)
  assert.equal((await node.status()).refused['future'] !== undefined, !takes)
}

test(
  'a clock that was ahead and is put right does not make our next reports older than the last ones',
  { skip: requires({ commands: ['faketime'] }) },
  async () => {
    await using mesh = createMesh({ friends: { alice: ['bob'], bob: ['alice'] } })
    const [alice, bob] = mesh.nodes as [NodeHandle, NodeHandle]
    bob.setClock('+5m')
    await mesh.start()
    await mesh.connected()
    await bob.ban(BY_BOB)
    await until(async () => (await alice.why(BY_BOB)).accepted, 'the ban to reach alice')
    await bob.stop()
    bob.setClock(null)
    await bob.start()
    await bob.unban(BY_BOB)
    await until(async () => !(await alice.why(BY_BOB)).accepted, 'the lift to reach alice')
  }
)
