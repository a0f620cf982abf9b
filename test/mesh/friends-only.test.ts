import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Connection, Stream, StreamHandler, Topology } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import type { PeerId } from '../../src/core/report.ts'
import { friendsOnly, type Registrar } from '../../src/mesh/friends-only.ts'

const FRIEND = peerIdFromString('12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5')
const STRANGER = peerIdFromString('12D3KooWQYhTNQdmr3ArTeUHRYzFg94BKyTkoWBDWez9kSCVe2Xo')

/** libp2p's registrar as far as it is used here, with what it was given. */
function fake() {
  const handlers = new Map<string, StreamHandler>()
  const topologies = new Map<string, Topology>()
  const registrar = {
    handle: async (protocol: string, handler: StreamHandler) => void handlers.set(protocol, handler),
    register: async (protocol: string, topology: Topology) => {
      topologies.set(protocol, topology)
      return protocol
    },
    unregister: (id: string) => void topologies.delete(id)
  } as unknown as Registrar
  return { registrar, handlers, topologies }
}

function connectionOf(peer: typeof FRIEND): Connection {
  return { remotePeer: peer } as unknown as Connection
}

function stream(): { stream: Stream; aborted: string[] } {
  const aborted: string[] = []
  return { stream: { abort: (error: Error) => aborted.push(error.message) } as unknown as Stream, aborted }
}

test("strangers' streams are reset, friends' are handed over, and the list is asked every time", async () => {
  const friends = new Set<PeerId>([FRIEND.toString() as PeerId])
  const { registrar, handlers } = fake()
  const handled: string[] = []
  const only = friendsOnly(registrar, (peer) => friends.has(peer))
  await only.registrar.handle('/x', (_, connection) => void handled.push(connection.remotePeer.toString()))
  const open = (peer: typeof FRIEND): string[] => {
    const { stream: opened, aborted } = stream()
    void handlers.get('/x')!(opened, connectionOf(peer))
    return aborted
  }
  assert.deepEqual(open(FRIEND), [])
  assert.deepEqual(open(STRANGER), ['not a friend'])
  friends.clear()
  assert.deepEqual(open(FRIEND), ['not a friend'])
  assert.deepEqual(handled, [FRIEND.toString()])
})

test('a topology hears of friends only, and of the end of one who is none any more', async () => {
  let isFriend = true
  const { registrar, topologies } = fake()
  const heard: string[] = []
  const only = friendsOnly(registrar, (peer) => isFriend && peer === FRIEND.toString())
  const id = await only.registrar.register('/x', {
    onConnect: (peer) => void heard.push(`+${peer.equals(FRIEND) ? 'friend' : 'stranger'}`),
    onDisconnect: (peer) => void heard.push(`-${peer.equals(FRIEND) ? 'friend' : 'stranger'}`)
  })
  const topology = topologies.get('/x')!
  for (const peer of [FRIEND, STRANGER]) void topology.onConnect?.(peer, connectionOf(peer))
  for (const peer of [STRANGER, FRIEND]) void topology.onDisconnect?.(peer)
  assert.deepEqual(heard, ['+friend', '-friend'])

  void topology.onConnect?.(FRIEND, connectionOf(FRIEND))
  isFriend = false
  only.forget(FRIEND)
  void topology.onDisconnect?.(FRIEND)
  void topology.onConnect?.(FRIEND, connectionOf(FRIEND))
  assert.deepEqual(heard, ['+friend', '-friend', '+friend', '-friend'])
  only.registrar.unregister(id)
  assert.equal(topologies.size, 0)
})

test("libp2p 3.3's stream middleware is not to be had: it keeps the handlers of all streams before", () => {
  const only = friendsOnly(fake().registrar, () => true)
  assert.throws(() => only.registrar.use('/x', []), /middleware is broken/)
})
