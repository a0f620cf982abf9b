import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMesh, type NodeHandle } from '../support/nodes.ts'
import { until } from '../support/until.ts'

const HOST = '198.51.100.7'
const NETWORK = '198.51.100.0/24'

async function reasonOf(node: NodeHandle, subject: string): Promise<string> {
  return (await node.why(subject)).reason
}

test('an unban vetoes what the mesh says of an address and of all that covers it, over a restart, until it is forgotten', async () => {
  await using mesh = createMesh({ friends: { alice: ['bob'], bob: ['alice'] } })
  const [alice, bob] = mesh.nodes as [NodeHandle, NodeHandle]
  await mesh.start()
  await mesh.connected()
  await alice.ban(HOST)
  await alice.ban(NETWORK)
  await until(async () => (await reasonOf(bob, NETWORK)) === 'accepted', 'bob to accept')

  await bob.unban(HOST)
  assert.equal(await reasonOf(bob, HOST), 'vetoed')
  assert.equal(await reasonOf(bob, NETWORK), 'vetoed')
  await bob.kill()
  await bob.start()
  assert.equal(await reasonOf(bob, HOST), 'vetoed')
  assert.equal(await reasonOf(bob, NETWORK), 'vetoed')

  const forgotten = await bob.call({ method: 'DELETE', path: `/v1/vetoes/${HOST}` })
  assert(forgotten.ok)
  assert.equal(await reasonOf(bob, HOST), 'accepted')
  assert.equal(await reasonOf(bob, NETWORK), 'accepted')
})

test('a veto of a CIDR covers the addresses in it, and a ban by the operator ends the veto of the same subject', async () => {
  await using mesh = createMesh({ friends: { alice: ['bob'], bob: ['alice'] } })
  const [alice, bob] = mesh.nodes as [NodeHandle, NodeHandle]
  await mesh.start()
  await mesh.connected()
  await alice.ban(HOST)
  await until(async () => (await reasonOf(bob, HOST)) === 'accepted', 'bob to accept')
  await bob.unban(NETWORK)
  assert.equal(await reasonOf(bob, HOST), 'vetoed')
  const refused = await bob.call({ method: 'POST', path: '/v1/bans', body: { subject: HOST } })
  assert(!refused.ok && refused.reason === 'refused' && refused.status === 403)
  assert.equal(refused.error.reason, 'vetoed')
  await bob.ban(NETWORK)
  assert.equal(await reasonOf(bob, NETWORK), 'own')
  assert.equal(await reasonOf(bob, HOST), 'accepted')
})
