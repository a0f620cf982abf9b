import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Connection } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { createArrivals, type ArrivalsOptions } from '../../src/mesh/arrivals.ts'
import { MESH_LIMITS } from '../../src/mesh/limits.ts'
import { until } from '../support/until.ts'
import { identity, ready, start } from './nodes.ts'

const PEER = peerIdFromString('12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5')

function arrivals(limits: Partial<ArrivalsOptions['limits']>, more: Partial<ArrivalsOptions> = {}) {
  return createArrivals({
    now: () => 5000,
    isFriend: () => false,
    isFriendHost: () => false,
    connections: () => [],
    ...more,
    limits: { ...MESH_LIMITS, ...limits }
  })
}

test('new connections of one host are counted by the second', () => {
  let now = 5000
  const { admitsConnection } = arrivals({ newConnectionsPerHost: 2 }, { now: () => now })
  const again = (host: string): boolean => admitsConnection(multiaddr(`/ip4/${host}/tcp/1`))
  assert.deepEqual([again('192.0.2.1'), again('192.0.2.1'), again('192.0.2.1')], [true, true, false])
  assert.equal(again('192.0.2.2'), true)
  now = 5999
  assert.equal(again('192.0.2.1'), false)
  now = 6000
  assert.equal(again('192.0.2.1'), true)
})

test('so are those of all hosts together, but a host where a friend was known gets through', () => {
  const { admitsConnection } = arrivals({ newConnections: 2 }, { isFriendHost: (host) => host === '198.51.100.1' })
  const from = (host: string): boolean => admitsConnection(multiaddr(`/ip4/${host}/tcp/1`))
  assert.equal(from('198.51.100.1'), true)
  assert.deepEqual([from('192.0.2.1'), from('192.0.2.2'), from('192.0.2.3')], [true, true, false])
  assert.equal(from('198.51.100.1'), true)
})

test('streams are counted by host, on all connections of strangers, and those of a friend are not', () => {
  let now = 5000
  let friend = false
  const one = (address: string) => ({
    remotePeer: PEER,
    remoteAddr: multiaddr(address),
    streams: [] as Connection['streams']
  })
  const [first, second, other] = [one('/ip4/192.0.2.1/tcp/1'), one('/ip4/192.0.2.1/tcp/2'), one('/ip4/192.0.2.2/tcp/1')]
  const { admitsStream } = arrivals(
    { streamsPerSecond: 10, streamBurst: 3, streamHosts: 2 },
    { now: () => now, isFriend: () => friend, connections: () => [first, second, other] }
  )
  const opens = (...connections: (typeof first)[]): boolean[] => connections.map(({ streams }) => admitsStream(streams))
  assert.deepEqual(opens(first, second, first, second, other), [true, true, true, false, true])
  now += 100
  assert.deepEqual(opens(second, first), [true, false])
  friend = true
  assert.deepEqual(opens(first, first), [true, true])
  assert.equal(admitsStream([]), true, 'a connection that is not known yet')
})

test('hosts are remembered up to the limit, those that rest are forgotten first', () => {
  let now = 5000
  const all = Array.from({ length: 4 }, (_, i) => ({
    remotePeer: PEER,
    remoteAddr: multiaddr(`/ip4/192.0.2.${i}/tcp/1`),
    streams: [] as Connection['streams']
  }))
  const limits = { streamsPerSecond: 10, streamBurst: 1, streamHosts: 2 }
  const { admitsStream } = arrivals(limits, { now: () => now, connections: () => all })
  const opens = (...who: number[]): boolean[] => who.map((i) => admitsStream(all[i]!.streams))
  assert.deepEqual(opens(0, 0), [true, false])
  now += 60
  assert.deepEqual(opens(1, 1), [true, false], 'two hosts are remembered')
  now += 40
  assert.deepEqual(opens(2, 1), [true, false], 'the first one has rested; the second one is still remembered')
  assert.deepEqual(opens(3, 1), [true, true], 'three do not rest: all are forgotten')
})

test('a stranger who opens streams without end is cut off, and a friend who opens as many is not', async (t) => {
  const friend = await identity()
  const limits = { streamBurst: 20, streamsPerSecond: 1 }
  const a = await start(t, { friends: [{ id: friend.id, addresses: [] }], limits })
  const b = await start(t, { friends: [{ id: a.id, addresses: a.mesh.addresses() }] }, friend)
  await ready(a, b)
  const stranger = await start(t, { bootstrap: a.mesh.addresses() })
  const to = peerIdFromString(a.id)
  const connection = await until(() => stranger.mesh.libp2p.getConnections(to)[0], 'the stranger to be connected')
  const flood = async (through: Connection): Promise<void> => {
    for (let i = 0; i < 60 && through.status === 'open'; i++) {
      const stream = await through.newStream('/ipfs/id/1.0.0').catch(() => null)
      stream?.abort(new Error('enough'))
    }
  }
  await flood(connection)
  await until(() => connection.status !== 'open', 'the stranger to be cut off')
  const [friendly] = b.mesh.libp2p.getConnections(to) as [Connection]
  await flood(friendly)
  // A connection that was just cut may still be called open; streams there are none on it.
  await assert.doesNotReject(friendly.newStream('/ipfs/ping/1.0.0'))
  assert.equal(friendly.status, 'open')
})
