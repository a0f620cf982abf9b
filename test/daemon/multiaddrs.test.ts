import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MULTIADDR_LENGTH, isHostName, parseDialAddress, parseListenAddress } from '../../src/daemon/multiaddrs.ts'
import { createPeer } from '../support/peers.ts'

const PEER = createPeer().id
const RELAY = createPeer().id

test('a node listens on TCP at an IP address', () => {
  for (const text of ['/ip4/0.0.0.0/tcp/7337', '/ip6/::/tcp/0', '/ip4/192.0.2.1/tcp/65535']) {
    assert.equal(parseListenAddress(text), text)
  }
  assert.equal(parseListenAddress('/ip6/2001:DB8:0::1/tcp/1'), '/ip6/2001:db8::1/tcp/1')
  for (const text of [
    '',
    '7337',
    '0.0.0.0:7337',
    '/ip4/0.0.0.0',
    '/ip4/0.0.0.0/udp/7337',
    '/ip4/0.0.0.0/tcp/7337/ws',
    '/ip4/0.0.0.0/tcp/65536',
    '/ip4/0.0.0.300/tcp/1',
    '/dns4/a.example/tcp/1',
    '/unix/tmp/x',
    `/ip4/192.0.2.1/tcp/1/p2p/${PEER}`
  ]) {
    assert.equal(parseListenAddress(text), null, text)
  }
})

test('a node is dialled by address or name, directly or by a relay, with or without its peer ID', () => {
  for (const address of [
    '/ip4/192.0.2.1/tcp/7337',
    '/ip6/2001:db8::1/tcp/7337',
    '/dns/a.example/tcp/7337',
    '/dns4/a.example/tcp/7337',
    '/dns6/a.example/tcp/7337',
    `/ip4/192.0.2.1/tcp/1/p2p/${RELAY}/p2p-circuit`
  ]) {
    assert.deepEqual(parseDialAddress(address), { address, peer: null })
    assert.deepEqual(parseDialAddress(`${address}/p2p/${PEER}`), { address, peer: PEER })
  }
  for (const text of [
    '',
    `/p2p/${PEER}`,
    '/ip4/192.0.2.1',
    '/ip4/192.0.2.1/tcp/1/ws',
    '/ip4/192.0.2.1/tcp/1/p2p-circuit',
    `/ip4/192.0.2.1/tcp/1/p2p/${PEER}/p2p/${PEER}`,
    '/ip4/192.0.2.1/tcp/1/p2p/QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N',
    '/ip4/192.0.2.1/tcp/1/p2p/nobody',
    '/dns4/a,b@c/tcp/1',
    '/dns4/192.0.2.300/tcp/1'
  ]) {
    assert.equal(parseDialAddress(text), null, text)
  }
})

test('the longest name with two peer IDs is an address, and nothing longer is looked at', () => {
  const name = [63, 63, 63, 61].map((length) => 'a'.repeat(length)).join('.')
  assert.equal(name.length, 253)
  const address = `/dns4/${name}/tcp/65535/p2p/${RELAY}/p2p-circuit/p2p/${PEER}`
  assert.ok(address.length <= MULTIADDR_LENGTH)
  assert.notEqual(parseDialAddress(address), null)
  const padded = (length: number): string => `/ip4/192.0.2.1/tcp/${'7'.padStart(length - 19, '0')}`
  assert.equal(padded(MULTIADDR_LENGTH).length, MULTIADDR_LENGTH)
  assert.equal(parseDialAddress(padded(MULTIADDR_LENGTH + 1)), null)
})

test('host names', () => {
  for (const name of ['localhost', 'a.example', 'A-1.example.', '1a.example', '_x.example', 'xn--bcher-kva.example']) {
    assert.ok(isHostName(name), name)
  }
  for (const name of [
    '',
    '.',
    'a..b',
    '-a',
    'a-',
    'a b',
    'a/b',
    '192.0.2.1',
    '192.0.2.300',
    '1.2',
    '::1',
    'ä.example',
    'a'.repeat(254)
  ]) {
    assert.ok(!isHostName(name), name)
  }
})
