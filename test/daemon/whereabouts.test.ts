import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PeerId } from '../../src/core/report.ts'
import { createWhereabouts, WHEREABOUTS } from '../../src/daemon/whereabouts.ts'
import { openDatabase } from '../../src/store/database.ts'
import { SqliteDatastore } from '../../src/store/datastore.ts'

const BOB = 'bob' as PeerId
const at = (...hosts: string[]) => hosts.map((host) => `/ip4/${host}/tcp/1`)

function create() {
  const opened = openDatabase(':memory:')
  assert(opened.ok)
  const store = new SqliteDatastore(opened.value)
  return { store, whereabouts: createWhereabouts(store) }
}

test('a friend is protected where we are connected with it, afterwards too, and after a restart', () => {
  const { store, whereabouts } = create()
  assert.deepEqual(whereabouts.addresses([{ id: BOB, connected: true, addresses: at('192.0.2.1') }]), ['192.0.2.1'])
  const away = [{ id: BOB, connected: false, addresses: [] }]
  assert.deepEqual(whereabouts.addresses(away), ['192.0.2.1'])
  assert.deepEqual(createWhereabouts(store).addresses(away), ['192.0.2.1'])
})

test('what a friend only says about its addresses protects nobody, nor does a relay between us', () => {
  const { whereabouts } = create()
  assert.deepEqual(whereabouts.addresses([{ id: BOB, connected: false, addresses: at('198.51.100.66') }]), [])
  const relayed = ['/ip4/198.51.100.67/tcp/1/p2p/x/p2p-circuit']
  assert.deepEqual(whereabouts.addresses([{ id: BOB, connected: true, addresses: relayed }]), [])
})

test('so many of its addresses are remembered, the newest ones, and none of who is no friend any more', () => {
  const { whereabouts } = create()
  for (let i = 0; i <= WHEREABOUTS; i++) {
    whereabouts.addresses([{ id: BOB, connected: true, addresses: at(`192.0.2.${i}`) }])
  }
  const kept = whereabouts.addresses([{ id: BOB, connected: false, addresses: [] }])
  assert.deepEqual(kept, ['192.0.2.4', '192.0.2.3', '192.0.2.2', '192.0.2.1'])
  assert.deepEqual(whereabouts.addresses([]), [])
})

test('junk in the store, and a store that can not be written, are no harm', () => {
  const { store } = create()
  const broken = createWhereabouts({
    get: () => new TextEncoder().encode('{"junk":1}'),
    put: () => {
      throw new Error('disk full')
    }
  })
  assert.deepEqual(broken.addresses([{ id: BOB, connected: true, addresses: at('192.0.2.1') }]), ['192.0.2.1'])
  assert.ok(store)
})
