import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { formatInvite, INVITE_ADDRESSES, parseFriendReference } from '../../src/daemon/invite.ts'
import { createPeer } from '../support/peers.ts'

const { id } = createPeer()

test('an invite holds network, peer ID and addresses, and reads back', () => {
  const addresses = ['/ip4/192.0.2.1/tcp/7337', '/dns4/a.example/tcp/7337']
  const invite = formatInvite({ network: 'my-net', id, addresses: addresses.map((address) => `${address}/p2p/${id}`) })
  assert.equal(invite, `banmesh:my-net:${id}@${addresses.join(',')}`)
  assert.deepEqual(parseFriendReference(` ${invite}\n`), { ok: true, value: { network: 'my-net', id, addresses } })
})

test('an invite needs no addresses', () => {
  const invite = formatInvite({ network: 'n', id, addresses: [] })
  assert.equal(invite, `banmesh:n:${id}`)
  assert.deepEqual(parseFriendReference(invite), { ok: true, value: { network: 'n', id, addresses: [] } })
})

test('addresses that mean nothing elsewhere are left out, unless there are no others', () => {
  const local = ['/ip4/127.0.0.1/tcp/1', '/ip6/::1/tcp/1', '/ip6/fe80::1/tcp/1', '/ip4/169.254.1.1/tcp/1']
  const routable = ['/ip4/10.0.0.1/tcp/1', '/ip6/2001:db8::1/tcp/1', '/dns4/a.example/tcp/1']
  assert.equal(
    formatInvite({ network: 'n', id, addresses: [...local, ...routable] }),
    `banmesh:n:${id}@${routable.join(',')}`
  )
  assert.equal(formatInvite({ network: 'n', id, addresses: local }), `banmesh:n:${id}@${local.join(',')}`)
})

test('an invite has as many addresses as it may have, and one more is refused', () => {
  const addresses = Array.from({ length: INVITE_ADDRESSES + 1 }, (_, index) => `/ip4/192.0.2.1/tcp/${index + 1}`)
  const full = formatInvite({ network: 'n', id, addresses })
  assert.equal(full, `banmesh:n:${id}@${addresses.slice(0, INVITE_ADDRESSES).join(',')}`)
  assert.ok(parseFriendReference(full).ok)
  assert.ok(!parseFriendReference(`banmesh:n:${id}@${addresses.join(',')}`).ok)
})

test('a friend may be named by peer ID or by multiaddr', () => {
  assert.deepEqual(parseFriendReference(id), { ok: true, value: { id, addresses: [], network: null } })
  const address = '/ip4/192.0.2.1/tcp/7337'
  const value = { id, addresses: [address], network: null }
  assert.deepEqual(parseFriendReference(`${address}/p2p/${id}`), { ok: true, value })
})

test('everything else is refused', () => {
  for (const text of [
    '',
    'alice',
    '/ip4/192.0.2.1/tcp/7337',
    `${id}x`,
    'QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N',
    `banmesh:${id}`,
    `banmesh::${id}`,
    `banmesh:a b:${id}`,
    `banmesh:${'n'.repeat(65)}:${id}`,
    'banmesh:n:nobody',
    `banmesh:n:${id}@`,
    `banmesh:n:${id}@/ip4/192.0.2.1/tcp/1,`,
    `banmesh:n:${id}@/ip4/192.0.2.1/tcp/1/p2p/${id}`,
    `banmesh:n:${id}@/ip4/192.0.2.1/tcp/1\n`.padEnd(100_000, ','),
    `BANMESH:n:${id}`
  ]) {
    assert.deepEqual(parseFriendReference(text), { ok: false, reason: 'not-a-reference' }, text.slice(0, 100))
  }
})

test('no text makes the parser throw', () => {
  const piece = fc.constantFrom(
    'banmesh:',
    'n',
    ':',
    id,
    '@',
    ',',
    '/ip4/192.0.2.1/tcp/1',
    '/p2p/',
    '/',
    '%',
    '\0',
    'é'
  )
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(piece, { maxLength: 12 }).map((parts) => parts.join(''))
      ),
      (text) => {
        parseFriendReference(text)
      }
    ),
    { numRuns: 300 }
  )
})
