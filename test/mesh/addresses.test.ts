import assert from 'node:assert/strict'
import { test } from 'node:test'
import { multiaddr } from '@multiformats/multiaddr'
import { MemoryDatastore } from 'datastore-core/memory'
import { Key } from 'interface-datastore'
import type { PeerId } from '../../src/core/report.ts'
import { createAddresses } from '../../src/mesh/addresses.ts'
import { MESH_LIMITS } from '../../src/mesh/limits.ts'

const ALICE = '12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5' as PeerId
const BOB = '12D3KooWQYhTNQdmr3ArTeUHRYzFg94BKyTkoWBDWez9kSCVe2Xo' as PeerId
const LIMITS = { ...MESH_LIMITS, addressesPerFriend: 3 }

function at(...numbers: number[]) {
  return numbers.map((number) => multiaddr(`/ip4/192.0.2.${number}/tcp/7337`))
}

test('configured addresses come first, then those where the friend was met last; the number is bounded', async () => {
  const addresses = createAddresses(new MemoryDatastore(), LIMITS)
  await addresses.add(ALICE, ['/ip4/192.0.2.1/tcp/7337'])
  assert.deepEqual(addresses.of(ALICE), at(1))
  await addresses.met(ALICE, at(2, 1), 5000)
  assert.deepEqual(addresses.of(ALICE), at(1, 2))
  await addresses.met(ALICE, at(3, 4), 6000)
  assert.deepEqual(addresses.of(ALICE), at(1, 3, 4))
  assert.equal(addresses.lastSeen(ALICE), 6000)
})

test("the peer ID at the end is dropped if it is the friend's; an address of somebody else is not taken", async () => {
  const addresses = createAddresses(new MemoryDatastore(), LIMITS)
  await addresses.add(ALICE, [`/ip4/192.0.2.1/tcp/7337/p2p/${ALICE}`, `/ip4/192.0.2.2/tcp/7337/p2p/${BOB}`, 'junk'])
  await addresses.met(ALICE, [multiaddr(`/ip4/192.0.2.3/tcp/7337/p2p/${BOB}`), multiaddr(`/p2p/${ALICE}`)], 1)
  assert.deepEqual(addresses.of(ALICE), at(1))
})

test('what was met survives a restart, what was configured comes from the config, and a removed friend is forgotten', async () => {
  const datastore = new MemoryDatastore()
  const before = createAddresses(datastore, LIMITS)
  await before.add(ALICE, ['/ip4/192.0.2.9/tcp/7337'])
  await before.met(ALICE, at(1, 2), 5000)
  const after = createAddresses(datastore, LIMITS)
  await after.add(ALICE, [])
  assert.deepEqual(after.of(ALICE), at(1, 2))
  assert.equal(after.lastSeen(ALICE), 5000)
  await after.remove(ALICE)
  assert.deepEqual(after.of(ALICE), [])
  await after.met(ALICE, at(3), 6000)
  const later = createAddresses(datastore, LIMITS)
  await later.add(ALICE, [])
  assert.deepEqual(later.of(ALICE), [])
  assert.equal(later.lastSeen(ALICE), null)
})

test('an address of the longest length is remembered, and a longer one is not', async () => {
  const addresses = createAddresses(new MemoryDatastore(), { ...LIMITS, addressLength: 30 })
  await addresses.add(ALICE, [])
  const fits = multiaddr('/dns4/name.example.org/tcp/733')
  const long = multiaddr('/dns4/name.example.org/tcp/7337')
  assert.equal(fits.toString().length, 30)
  await addresses.met(ALICE, [long, fits], 1)
  assert.deepEqual(addresses.of(ALICE).map(String), [fits.toString()])
})

test('junk in the store is skipped', async () => {
  const datastore = new MemoryDatastore()
  for (const junk of ['', '{', 'null', '7', '{"addresses":7,"lastSeen":"x"}', '{"addresses":[7,"junk"]}']) {
    await datastore.put(new Key(`/banmesh/friends/${ALICE}`), Buffer.from(junk))
    const addresses = createAddresses(datastore, LIMITS)
    await addresses.add(ALICE, ['/ip4/192.0.2.1/tcp/7337'])
    assert.deepEqual(addresses.of(ALICE), at(1), junk)
    assert.equal(addresses.lastSeen(ALICE), null, junk)
  }
})

test('hosts of friends are known as such, until the friend is removed', async () => {
  const addresses = createAddresses(new MemoryDatastore(), LIMITS)
  await addresses.add(ALICE, ['/ip4/192.0.2.1/tcp/7337'])
  await addresses.add(BOB, [])
  await addresses.met(BOB, [multiaddr('/ip6/2001:db8::1/tcp/1')], 1)
  const known = (): boolean[] => ['192.0.2.1', '2001:db8::/64', '192.0.2.2'].map((host) => addresses.isHost(host))
  assert.deepEqual(known(), [true, true, false])
  await addresses.remove(BOB)
  assert.deepEqual(known(), [true, false, false])
})

test('an address with anything in it that a terminal or a log would take for more is not remembered', async () => {
  const datastore = new MemoryDatastore()
  const addresses = createAddresses(datastore, LIMITS)
  await addresses.add(ALICE, [])
  const evil = ['/dns4/a\u001b[2Jb/tcp/1', '/dns4/a\nb/tcp/1', '/dns4/<b>/tcp/1'].map((text) => multiaddr(text))
  await addresses.met(ALICE, [...evil, multiaddr('/dns4/host-1.example.org/tcp/1')], 5000)
  assert.deepEqual(addresses.of(ALICE).map(String), ['/dns4/host-1.example.org/tcp/1'])
  for await (const { value } of datastore.query({})) assert.doesNotMatch(Buffer.from(value).toString(), /2J|<b>|\\n/)
})
