import assert from 'node:assert/strict'
import { test } from 'node:test'
import { multiaddr } from '@multiformats/multiaddr'
import { createKnocks, type Knock } from '../../src/mesh/knocks.ts'
import { MESH_LIMITS } from '../../src/mesh/limits.ts'
import { createPeer } from '../support/peers.ts'
import { until } from '../support/until.ts'
import { identity, ready, start, stranger } from './nodes.ts'

const LIMITS = { ...MESH_LIMITS, knocks: 3, knocksPerHost: 2, newKnocksPerMinute: 5 }

function stand(limits = LIMITS) {
  const told: Knock[] = []
  const clock = { now: 1_000_000 }
  const knocks = createKnocks({ limits, now: () => clock.now, onKnock: (knock) => told.push(knock) })
  const from = (id: ReturnType<typeof createPeer>['id'], host: number): void =>
    knocks.knock(id, multiaddr(`/ip4/192.0.2.${host}/tcp/1`))
  return { knocks, told, clock, from, names: () => knocks.all().map(({ id }) => id) }
}

test('who knocks is told once, and counted from then on, the newest first', () => {
  const { knocks, told, clock, from } = stand()
  const [a, b] = [createPeer().id, createPeer().id]
  from(a, 1)
  from(b, 2)
  clock.now += 500
  from(a, 3)
  assert.deepEqual(
    told.map(({ id }) => id),
    [a, b]
  )
  assert.deepEqual(knocks.all(), [
    { id: a, address: '/ip4/192.0.2.3/tcp/1', first: 1_000_000, last: 1_000_500, count: 2 },
    { id: b, address: '/ip4/192.0.2.2/tcp/1', first: 1_000_000, last: 1_000_000, count: 1 }
  ])
  knocks.forget(a)
  assert.equal(knocks.all().length, 1)
})

test('one host has few places, all hosts together have the limit, and the oldest go first', () => {
  const { from, names } = stand()
  const ids = Array.from({ length: 5 }, () => createPeer().id)
  for (const id of ids.slice(0, 3)) from(id, 1)
  assert.deepEqual(names(), [ids[2], ids[1]])
  from(ids[3]!, 2)
  assert.deepEqual(names(), [ids[3], ids[2], ids[1]])
  from(ids[4]!, 3)
  assert.deepEqual(names(), [ids[4], ids[3], ids[2]])
})

test('new names are taken in at a bounded rate; known ones are not affected', () => {
  const { from, told, clock, names } = stand({ ...LIMITS, knocks: 100, knocksPerHost: 100 })
  const ids = Array.from({ length: 6 }, () => createPeer().id)
  for (const id of ids) from(id, 1)
  assert.equal(told.length, 5)
  from(ids[0]!, 1)
  assert.equal(names()[0], ids[0])
  clock.now += 12_000
  from(ids[5]!, 1)
  assert.equal(told.length, 6)
})

for (const dht of [true, false]) {
  test(`a friend who was not added back is seen to knock, is told to wait, and is let in when added (DHT ${dht})`, async (t) => {
    const [one, two] = [await identity(), await identity()]
    const told: Knock[] = []
    const a = await start(t, { dht, onKnock: (knock) => told.push(knock) }, one)
    const b = await start(t, { dht, friends: [{ id: one.id, addresses: a.mesh.addresses() }] }, two)
    await until(() => told.length > 0, 'the knock')
    assert.equal(told[0]!.id, two.id)
    assert.match(told[0]!.address, /^\/ip4\/127\.0\.0\.1\/tcp\/\d+$/)
    await until(() => b.mesh.friends()[0]!.waiting, 'the other side to know that it has to wait')
    await until(() => a.mesh.knocks()[0]!.count >= 2, 'another knock')
    assert.equal(told.length, 1)
    await a.mesh.addFriend({ id: two.id, addresses: [] })
    await ready(a, b)
    assert.equal(b.mesh.friends()[0]!.waiting, false)
    assert.deepEqual(a.mesh.knocks(), [])
  })
}

test('a stranger who only takes part in the DHT does not knock', async (t) => {
  const told: Knock[] = []
  const a = await start(t, { onKnock: (knock) => told.push(knock) })
  const b = await start(t, { bootstrap: a.mesh.addresses() })
  await until(async () => (await b.mesh.dhtPeers()) > 0, 'the DHT')
  const loud = await stranger(t)
  await loud.libp2p.dial(a.mesh.addresses().map(multiaddr))
  await until(() => told.length > 0, 'the one who speaks gossipsub')
  assert.deepEqual(
    told.map(({ id }) => id),
    [loud.id]
  )
})
