import assert from 'node:assert/strict'
import { test } from 'node:test'
import { routerMayHelp } from '../../src/mesh/upnp.ts'

const ANY = ['/ip4/0.0.0.0/tcp/7337', '/ip6/::/tcp/7337']

test('a router is asked for a port only by a node that has nothing but private IPv4 addresses and listens on one', () => {
  const cases: [boolean, string[], string[]][] = [
    [true, ANY, ['127.0.0.1', '::1', '192.168.1.5']],
    [true, ['/ip4/192.168.1.5/tcp/7337'], ['192.168.1.5']],
    [true, ANY, ['10.0.0.2', '172.17.0.1']],
    [false, ANY, ['127.0.0.1']],
    [false, ANY, ['8.8.8.8', '10.0.0.2']],
    [false, ANY, ['2a00::1']],
    [false, ['/ip4/127.0.0.1/tcp/0'], ['192.168.1.5']],
    [false, ['/ip6/::/tcp/7337'], ['192.168.1.5']],
    [false, [], ['192.168.1.5']]
  ]
  for (const [expected, listen, own] of cases) assert.equal(routerMayHelp(listen, own), expected, own.join())
})
