import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { multiaddr } from '@multiformats/multiaddr'
import { createNetworkKey, loadNetworkKey } from '../../src/daemon/network-key.ts'
import { arrives, bytes, identity, pair, start, stranger } from '../mesh/nodes.ts'

function freshKey(): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), 'banmesh-key-'))
  const file = join(folder, 'network.key')
  assert(createNetworkKey(file).ok)
  const loaded = loadNetworkKey(file)
  rmSync(folder, { recursive: true })
  assert(loaded.ok && loaded.value !== null)
  return loaded.value
}

test('nodes with the same network key are friends as ever; without it, or with another, nobody gets a handshake', async (t) => {
  const networkKey = freshKey()
  const [a, b] = await pair(t, { networkKey }, { networkKey })
  await a.mesh.publish(bytes('behind the key'))
  await arrives(b, 'behind the key')
  const opened: string[] = []
  a.mesh.libp2p.addEventListener('connection:open', ({ detail }) => opened.push(detail.remotePeer.toString()))
  const to = a.mesh.addresses().map(multiaddr)
  const eve = await stranger(t)
  await assert.rejects(eve.libp2p.dial(to, { signal: AbortSignal.timeout(2000) }))
  const other = await start(t, { networkKey: freshKey() }, await identity())
  await assert.rejects(other.mesh.libp2p.dial(to, { signal: AbortSignal.timeout(2000) }))
  assert.deepEqual(opened, [])
})

test('a network key that others may read, or that is none, is refused', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'banmesh-key-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'network.key')
  assert.deepEqual(loadNetworkKey(file), { ok: false, reason: 'unreadable' })
  assert(createNetworkKey(file).ok)
  assert.deepEqual(createNetworkKey(file), { ok: false, reason: 'exists' })
  chmodSync(file, 0o640)
  assert.deepEqual(loadNetworkKey(file), { ok: false, reason: 'open-to-others' })
  chmodSync(file, 0o600)
  assert.equal(loadNetworkKey(file).ok, true)
  writeFileSync(file, '/key/swarm/psk/1.0.0/\n/base16/\nabcd\n')
  assert.deepEqual(loadNetworkKey(file), { ok: false, reason: 'not-a-key' })
  assert.deepEqual(loadNetworkKey(folder), { ok: false, reason: 'not-a-key' })
  assert.deepEqual(loadNetworkKey(null), { ok: true, value: null })
})
