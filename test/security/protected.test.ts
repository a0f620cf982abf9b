/** Who is never banned, on real nodes, against a friend who alone could have anything banned. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { createIntruder } from '../support/intruder.ts'
import { createMesh, type NodeHandle } from '../support/nodes.ts'
import { claimOf, seal } from '../support/peers.ts'
import { until } from '../support/until.ts'

const MARK = '93.184.216.34'
const LATE_MARK = '93.184.216.35'

async function held(node: NodeHandle, subject: string): Promise<string> {
  const { accepted, evidence, reason } = await node.why(subject)
  assert.deepEqual([accepted, evidence.length], [false, 1], `${subject}: heard, and not accepted`)
  return reason
}

function handedOver({ dir }: NodeHandle): string[] {
  const lines = readFileSync(join(dir, 'bans.log'), 'utf8').trimEnd().split('\n')
  return lines.map((line) => (JSON.parse(line) as { ip: string }).ip).sort()
}

test('a friend bans neither us nor our friends nor the allowlist nor private ranges, by gossip or by sync', async (t) => {
  const mallory = await createIntruder(t)
  await using mesh = createMesh({
    friends: { alice: ['bob'], bob: ['alice'], rita: [] },
    more: [{ id: mallory.peer.id, name: 'mallory' }],
    config: (name) => ({
      protectReserved: name === 'rita',
      ...(name === 'alice' && {
        allowlist: ['203.0.113.7', '198.18.5.0/25'],
        announce: ['/ip4/198.51.100.50/tcp/7337']
      })
    })
  })
  const [alice, bob, rita] = mesh.nodes as [NodeHandle, NodeHandle, NodeHandle]
  const file = join(alice.dir, 'banmesh.yaml')
  const config = JSON.parse(readFileSync(file, 'utf8')) as { friends: { name: string; addresses?: string[] }[] }
  config.friends.find(({ name }) => name === 'mallory')!.addresses = ['/ip4/198.51.100.60/tcp/7337']
  writeFileSync(file, JSON.stringify(config))

  // By sync, from an honest friend who has another allowlist.
  await bob.start()
  const allowed = ['203.0.113.7', '203.0.113.0/24', '198.18.5.1', '198.18.5.0/24']
  for (const subject of [...allowed, MARK]) await bob.ban(subject)
  await Promise.all([alice.start(), rita.start()])
  await until(async () => (await alice.why(MARK)).accepted, 'sync')
  for (const subject of allowed) assert.equal(await held(alice, subject), 'allowlisted', subject)

  const interfaces = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? [])
  const own = interfaces.filter(({ family }) => family === 'IPv4').map(({ address }) => address)
  const reserved = ['10.1.2.3', '172.16.5.5', '192.168.1.0/24', '127.0.0.1', '169.254.1.1', '100.64.0.1', 'fd00::1']
  const ours = [...own, '198.51.100.50', '198.51.100.0/25']
  const until_ = Math.floor(Date.now() / 1000) + 3600
  const say = async (node: NodeHandle, subjects: readonly string[]): Promise<void> => {
    await mallory.connect(node)
    const claims = [...subjects, LATE_MARK].map((subject) => claimOf(subject, { until: until_ }))
    await mallory.publish(seal(mallory.peer, { issuedAt: Date.now(), claims }))
    await until(async () => (await node.why(LATE_MARK)).accepted, 'what mallory says')
  }
  await say(alice, [...ours, '198.51.100.60'])
  for (const subject of ours) assert.equal(await held(alice, subject), 'own-address', subject)
  assert.equal(await held(alice, '198.51.100.60'), 'friend-address')
  assert.deepEqual(handedOver(alice), [MARK, LATE_MARK])
  await say(rita, reserved)
  for (const subject of reserved) assert.equal(await held(rita, subject), 'reserved', subject)
  assert.deepEqual(handedOver(rita), [LATE_MARK])
})

test('an address that a friend announces as its own, and at which it never was, is banned like any other', async () => {
  const refuge = '198.51.100.66'
  await using mesh = createMesh({
    friends: { alice: ['bob', 'mallory'], bob: ['alice'], mallory: ['alice'] },
    config: (name) => (name === 'mallory' ? { announce: [`/ip4/${refuge}/tcp/7337`] } : {})
  })
  await mesh.start()
  await mesh.connected()
  const [alice, bob, mallory] = mesh.nodes as [NodeHandle, NodeHandle, NodeHandle]
  const { addresses } = await mallory.get<{ addresses: string[] }>('/v1/id')
  assert.ok(addresses.some((address) => address.includes(refuge)))
  await bob.ban(refuge)
  await until(async () => (await alice.why(refuge)).evidence.length > 0, 'the ban')
  assert.deepEqual([(await alice.why(refuge)).accepted, (await alice.why(refuge)).reason], [true, 'accepted'])
  // Where it really is, it is protected (as an address of ours too, on one machine).
  const answer = await bob.call({ method: 'POST', path: '/v1/bans', body: { subject: '127.0.0.1', ttlSeconds: 60 } })
  assert.equal(answer.ok, false)
})
