import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import type { MultiaddrConnection } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { createGate, hostOf, type GateOptions } from '../../src/mesh/gate.ts'
import { MESH_LIMITS } from '../../src/mesh/limits.ts'
import { until } from '../support/until.ts'
import { identity, ready, start, view } from './nodes.ts'

const PEER = peerIdFromString('12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5')

function gate(options: Partial<GateOptions> = {}, limits: Partial<GateOptions['limits']> = {}) {
  return createGate({
    dht: true,
    isFriend: () => false,
    isFriendHost: () => false,
    connections: () => 0,
    refused: () => {},
    ...options,
    limits: { ...MESH_LIMITS, ...limits }
  })
}

/** As much of an inbound connection as the gate looks at. */
function from(address: string): MultiaddrConnection {
  return Object.assign(new EventTarget(), { remoteAddr: multiaddr(address) }) as unknown as MultiaddrConnection
}

test('a host is an IPv4 address, an IPv6 /64, or a name', () => {
  const cases: [string, string][] = [
    ['/ip4/192.0.2.1/tcp/7337', '192.0.2.1'],
    ['/ip6/2001:db8:0:1:2:3:4:5/tcp/7337', '2001:db8:0:1::/64'],
    ['/ip6/2001:db8:0:1::9/tcp/1', '2001:db8:0:1::/64'],
    ['/ip6/::ffff:192.0.2.1/tcp/1', '192.0.2.1'],
    ['/dns4/example.org/tcp/7337', 'example.org'],
    ['/unix/a', '']
  ]
  for (const [address, host] of cases) assert.equal(hostOf(multiaddr(address)), host, address)
})

test('from one host the limit of unfinished handshakes is let in, and no more until one is over', () => {
  const { denyInboundConnection: deny, denyInboundUpgradedConnection: upgraded } = gate(
    {},
    { pendingHandshakesPerHost: 3 }
  )
  const [first, second] = [from('/ip4/192.0.2.1/tcp/1'), from('/ip4/192.0.2.1/tcp/2')]
  assert.deepEqual([first, second, from('/ip4/192.0.2.1/tcp/3')].map(deny), [false, false, false])
  assert.equal(deny(from('/ip4/192.0.2.1/tcp/4')), true)
  assert.equal(deny(from('/ip4/192.0.2.2/tcp/4')), false, 'another host')
  first.dispatchEvent(new Event('close'))
  assert.equal(deny(from('/ip4/192.0.2.1/tcp/5')), false)
  assert.equal(deny(from('/ip4/192.0.2.1/tcp/6')), true)
  assert.equal(upgraded(PEER, second), false)
  assert.equal(deny(from('/ip4/192.0.2.1/tcp/7')), false)
})

test('unfinished handshakes of all hosts together are bounded, but a host where a friend was known gets through', () => {
  const { denyInboundConnection: deny } = gate(
    { isFriendHost: (host) => host === '198.51.100.1' },
    { maxPendingHandshakes: 2 }
  )
  assert.equal(deny(from('/ip4/198.51.100.1/tcp/1')), false)
  assert.equal(deny(from('/ip4/192.0.2.1/tcp/1')), false)
  assert.equal(deny(from('/ip4/192.0.2.2/tcp/1')), false)
  assert.equal(deny(from('/ip4/192.0.2.3/tcp/1')), true)
  assert.equal(deny(from('/ip4/198.51.100.1/tcp/2')), false)
})

test('who may connect after the handshake', () => {
  const cases = [
    { dht: true, friend: false, connections: 1, denied: false },
    { dht: true, friend: false, connections: 2, denied: true },
    { dht: true, friend: true, connections: 3, denied: false },
    { dht: true, friend: true, connections: 4, denied: true },
    { dht: false, friend: true, connections: 0, denied: false },
    { dht: false, friend: false, connections: 0, denied: true }
  ]
  for (const { dht, friend, connections, denied } of cases) {
    const { denyInboundEncryptedConnection, denyOutboundEncryptedConnection, denyDialPeer } = gate(
      { dht, isFriend: () => friend, connections: () => connections },
      { connectionsPerStranger: 2, connectionsPerFriend: 4 }
    )
    const what = JSON.stringify({ dht, friend, connections })
    assert.equal(denyInboundEncryptedConnection(PEER, from('/ip4/192.0.2.1/tcp/1')), denied, what)
    assert.equal(denyDialPeer(PEER), !dht && !friend, what)
    assert.equal(denyOutboundEncryptedConnection(PEER, from('/ip4/192.0.2.1/tcp/1')), !dht && !friend, what)
  }
})

test('handshakes that are begun and not finished keep no friend out, and are cut off in time', async (t) => {
  const friend = await identity()
  const a = await start(t, {
    friends: [{ id: friend.id, addresses: [] }],
    limits: { pendingHandshakesPerHost: 8, handshakeTimeoutMs: 500 }
  })
  const port = Number(multiaddr(a.mesh.addresses()[0]).getComponents()[1]!.value)
  const sockets: Socket[] = []
  let closed = 0
  for (let i = 0; i < 20; i++) {
    const socket = connect(port, '127.0.0.1').on('error', () => {})
    sockets.push(socket.on('close', () => closed++))
    socket.resume()
  }
  t.after(() => {
    for (const socket of sockets) socket.destroy()
  })
  await until(() => closed >= 12, 'those over the limit to be closed')
  const b = await start(t, { friends: [{ id: a.id, addresses: a.mesh.addresses() }] }, friend)
  await ready(a, b)
  await until(() => closed === 20, 'the rest to be closed')
  assert.ok(view(a, friend.id).ready)
})

test('a friend gets in while strangers of many hosts hold all handshakes that may be under way', async (t) => {
  const friend = await identity()
  const a = await start(t, {
    // Where the friend was known: what is there now listens no more.
    friends: [{ id: friend.id, addresses: ['/ip4/127.0.0.1/tcp/1'] }],
    limits: { maxPendingHandshakes: 8, handshakeTimeoutMs: 60_000 }
  })
  const port = Number(multiaddr(a.mesh.addresses()[0]).getComponents()[1]!.value)
  let closed = 0
  const sockets = Array.from({ length: 20 }, (_, i) =>
    connect({ port, host: '127.0.0.1', localAddress: `127.0.0.${i + 2}` })
      .on('error', () => {})
      .on('close', () => closed++)
      .resume()
  )
  t.after(() => {
    for (const socket of sockets) socket.destroy()
  })
  await until(() => closed === 12, 'those over the limit to be closed')
  const b = await start(t, { friends: [{ id: a.id, addresses: a.mesh.addresses() }] }, friend)
  await ready(a, b)
  assert.equal(closed, 12, 'the strangers hold what they have')
})
