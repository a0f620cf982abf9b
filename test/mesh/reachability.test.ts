import assert from 'node:assert/strict'
import { test } from 'node:test'
import { multiaddr } from '@multiformats/multiaddr'
import { createReachability, type Reachability } from '../../src/mesh/reachability.ts'

const LAN = '/ip4/192.168.1.5/tcp/7337'
const OUTSIDE = '/ip4/8.8.8.8/tcp/7337'
const RELAYED = `${OUTSIDE}/p2p/12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5/p2p-circuit`

function stand(...addresses: string[]): {
  reachability: Reachability
  /** Somebody dials us. */
  dialled(from: string): void
  /** A peer that we have dialled, or that has dialled us, says where it sees us. */
  seen(by: string, at: string, direction?: 'outbound' | 'inbound'): void
} {
  const events = new EventTarget()
  const libp2p = Object.assign(events, { getMultiaddrs: () => addresses.map((text) => multiaddr(text)) })
  const tell = (name: string, detail: unknown): void => void events.dispatchEvent(new CustomEvent(name, { detail }))
  return {
    reachability: createReachability({ libp2p: libp2p as never }),
    dialled: (from) => tell('connection:open', { direction: 'inbound', remoteAddr: multiaddr(from) }),
    seen: (by, at, direction = 'outbound') =>
      tell('peer:identify', {
        peerId: by,
        observedAddr: multiaddr(at),
        connection: { direction, remoteAddr: multiaddr(OUTSIDE) }
      })
  }
}

test('a node that nobody has dialled yet wants a relay, and is a server of the DHT all the same', () => {
  const { reachability, dialled } = stand(LAN)
  assert.deepEqual([reachability.needsRelay(), reachability.dhtMode()], [true, 'server'])
  dialled('/ip4/192.168.1.6/tcp/1')
  assert.deepEqual([reachability.needsRelay(), reachability.dhtMode()], [false, 'server'])
})

test('a relayed connection that comes in proves nothing', () => {
  const { reachability, dialled } = stand(LAN)
  dialled(RELAYED)
  assert.equal(reachability.needsRelay(), true)
})

test('two peers who see us at an address that is not ours: a router is in the way; one is not enough', () => {
  const { reachability, seen, dialled } = stand(LAN)
  dialled('/ip4/192.168.1.6/tcp/1')
  seen('a', OUTSIDE)
  seen('a', '/ip4/9.9.9.9/tcp/1')
  assert.equal(reachability.behindNat(), false)
  seen('b', OUTSIDE)
  assert.deepEqual(
    [reachability.behindNat(), reachability.needsRelay(), reachability.dhtMode()],
    [true, true, 'client']
  )
  dialled('/ip4/8.8.4.4/tcp/1')
  assert.deepEqual(
    [reachability.behindNat(), reachability.needsRelay(), reachability.dhtMode()],
    [false, false, 'server']
  )
})

test('with a public address of its own, or seen in the local network only, nothing is in the way', () => {
  for (const { own, at } of [
    { own: [LAN, OUTSIDE], at: '/ip4/9.9.9.9/tcp/1' },
    { own: [LAN], at: LAN }
  ]) {
    const { reachability, seen } = stand(...own)
    seen('a', at)
    seen('b', at)
    assert.equal(reachability.behindNat(), false)
  }
})

test('peers who have dialled us by a name, as one dials a bootstrap node, are no sign of a router', () => {
  const { reachability, seen } = stand(LAN)
  for (const peer of ['a', 'b', 'c']) seen(peer, '/dns4/bootstrap.example/tcp/7337', 'inbound')
  assert.deepEqual([reachability.behindNat(), reachability.dhtMode()], [false, 'server'])
})

test('with no address but relays the DHT can not count on us', () => {
  assert.equal(stand().reachability.dhtMode(), 'client')
  assert.equal(stand(RELAYED).reachability.dhtMode(), 'client')
})
