import assert from 'node:assert/strict'
import { test } from 'node:test'
import { interfaceAddresses } from '../../src/daemon/addresses.ts'
import { configuredAddresses, preferRoutable } from '../../src/daemon/own-addresses.ts'

const listen = ['/ip4/0.0.0.0/tcp/7337', '/ip6/::/tcp/7338', '/ip4/192.0.2.1/tcp/7339', '/ip4/192.0.2.1/tcp/0']

test('what a node announces is where it is', () => {
  const announce = ['/dns4/a.example/tcp/1', '/ip4/127.0.0.1/tcp/1']
  assert.deepEqual(configuredAddresses({ announce, listen }), announce)
})

test("else where it listens, with this machine's own addresses for all of them, and no unknown port", () => {
  const addresses = configuredAddresses({ announce: [], listen })
  assert.ok(addresses.includes('/ip4/192.0.2.1/tcp/7339'))
  const own = interfaceAddresses().map(
    (cidr) => `/${cidr.includes(':') ? 'ip6' : 'ip4'}/${cidr}/tcp/${cidr.includes(':') ? 7338 : 7337}`
  )
  for (const address of addresses.slice(0, -1)) assert.ok(own.includes(address), address)
  assert.ok(
    addresses.every((address) => !/^\/ip4\/127\.|^\/ip6\/(::1|fe80)|\/tcp\/0$/.test(address)),
    addresses.join(' ')
  )
})

test('loopback and link-local addresses are better than none', () => {
  const local = ['/ip4/127.0.0.1/tcp/1', '/ip6/fe80::1/tcp/1']
  assert.deepEqual(preferRoutable(local), local)
  assert.deepEqual(preferRoutable([...local, '/dns/a/tcp/1', '/ip4/10.0.0.1/tcp/1']), [
    '/dns/a/tcp/1',
    '/ip4/10.0.0.1/tcp/1'
  ])
  assert.deepEqual(preferRoutable([]), [])
})
