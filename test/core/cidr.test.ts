import assert from 'node:assert/strict'
import { BlockList } from 'node:net'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { cidrFromBytes, cidrToBytes, covers, overlaps, parseCidr, type Cidr } from '../../src/core/cidr.ts'
import { cidrs, span } from './cidrs.ts'

test('every spelling of an address becomes the one canonical text', () => {
  for (const [text, canonical] of [
    ['203.0.113.7', '203.0.113.7'],
    ['203.0.113.7/32', '203.0.113.7'],
    ['203.0.113.7/24', '203.0.113.0/24'],
    ['203.0.113.255/25', '203.0.113.128/25'],
    ['0.0.0.0/0', '0.0.0.0/0'],
    ['255.255.255.255', '255.255.255.255'],
    ['255.255.255.255/1', '128.0.0.0/1'],
    ['2001:DB8::1', '2001:db8::1'],
    ['2001:0db8:0000:0000:0000:0000:0000:0001', '2001:db8::1'],
    ['2001:db8::1/128', '2001:db8::1'],
    ['2001:db8::1/127', '2001:db8::/127'],
    ['2001:db8:1:2:3:4:5:6/64', '2001:db8:1:2::/64'],
    ['2001:db8:ffff::/33', '2001:db8:8000::/33'],
    // RFC 5952: the longest run of zeros is shortened, the first of two equal ones, and never a single group.
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['::', '::'],
    ['::1', '::1'],
    ['::/0', '::/0'],
    ['1::', '1::'],
    // v4-mapped is IPv4, in every spelling.
    ['::ffff:203.0.113.7', '203.0.113.7'],
    ['::ffff:cb00:7107', '203.0.113.7'],
    ['::FFFF:203.0.113.7/128', '203.0.113.7'],
    ['0:0:0:0:0:ffff:cb00:7107', '203.0.113.7'],
    ['::ffff:203.0.113.7/120', '203.0.113.0/24'],
    ['::ffff:203.0.113.7/96', '0.0.0.0/0'],
    // One bit wider holds more than the mapped addresses.
    ['::ffff:203.0.113.7/95', '::fffe:0:0/95'],
    // Deprecated IPv4-compatible and translated addresses are no IPv4.
    ['::1.2.3.4', '::102:304'],
    ['64:ff9b::203.0.113.7', '64:ff9b::cb00:7107'],
    ['::ffff:0:203.0.113.7', '::ffff:0:cb00:7107']
  ] as const) {
    assert.equal(parseCidr(text), canonical, text)
  }
})

const JUNK = [
  '',
  ' ',
  '/',
  '/24',
  'localhost',
  'example.net',
  '203.0.113',
  '203.0.113.7.1',
  '203.0.113.256',
  '203.0.113.-1',
  '3405803783',
  '0xcb007107',
  '0313.0.113.7',
  '203.0.113.07',
  '203.0.113.7 ',
  ' 203.0.113.7',
  '203.0.113.7\n',
  '203.0.113.7\0',
  '203.0.113.7:22',
  '203.0.113.7/',
  '203.0.113.7/33',
  '203.0.113.7/-1',
  '203.0.113.7/+8',
  '203.0.113.7/08',
  '203.0.113.7/8.0',
  '203.0.113.7/1e1',
  '203.0.113.7/ 8',
  '203.0.113.7/24/24',
  '203.0.113.7/255.255.255.0',
  '203.0.113.7/999999999999',
  '２０３.0.113.7',
  '2001:db8::1/129',
  '2001:db8::1%eth0',
  'fe80::1%25eth0',
  '[2001:db8::1]',
  '[2001:db8::1]:22',
  '2001:db8:::1',
  '2001::db8::1',
  '2001:db8:1:2:3:4:5',
  '2001:db8:1:2:3:4:5:6:7',
  '2001:db8::12345',
  '2001:db8::g',
  '::ffff:203.0.113.256',
  '::ffff:203.0.113.7/129',
  '203.0.113.7; rm -rf /'
]

test('junk is refused', () => {
  for (const text of JUNK) assert.equal(parseCidr(text), null, JSON.stringify(text))
})

test('a prefix fits its address at n and not at n+1', () => {
  const v4 = Uint8Array.of(203, 0, 113, 7)
  const v6 = Uint8Array.from({ length: 16 }, (_, i) => i)
  assert.notEqual(cidrFromBytes({ address: v4, prefix: 32 }), null)
  assert.equal(cidrFromBytes({ address: v4, prefix: 33 }), null)
  assert.notEqual(cidrFromBytes({ address: v6, prefix: 128 }), null)
  assert.equal(cidrFromBytes({ address: v6, prefix: 129 }), null)
  for (const prefix of [-1, 1.5, NaN, Infinity]) assert.equal(cidrFromBytes({ address: v4, prefix }), null)
  for (const length of [0, 3, 5, 15, 17]) {
    assert.equal(cidrFromBytes({ address: new Uint8Array(length), prefix: 0 }), null, `${length} bytes`)
  }
})

test('text, bytes and text again is the same CIDR, in no other spelling', () => {
  fc.assert(
    fc.property(cidrs, (cidr) => {
      assert.equal(cidrFromBytes(cidrToBytes(cidr)), cidr)
      assert.equal(parseCidr(cidr), cidr)
      assert.equal(parseCidr(cidr.toUpperCase()), cidr)
    }),
    { numRuns: 300 }
  )
})

test('any text is refused or has a canonical form that stays the same, and nothing throws', () => {
  const text = fc.oneof(
    fc.string(),
    fc.string({ unit: fc.constantFrom(...Array.from('0123456789abcf:./%')) }),
    fc.ipV4(),
    fc.ipV6()
  )
  fc.assert(
    fc.property(text, (given) => {
      const cidr = parseCidr(given)
      if (cidr !== null) assert.equal(parseCidr(cidr), cidr)
    }),
    { numRuns: 500 }
  )
})

test('covers and overlaps agree with the numbers', () => {
  fc.assert(
    fc.property(cidrs, cidrs, (one, other) => {
      const a = span(one)
      const b = span(other)
      const same = a.family === b.family
      assert.equal(covers(one, other), same && a.first <= b.first && b.last <= a.last)
      assert.equal(overlaps(one, other), same && a.first <= b.last && b.first <= a.last)
      assert.equal(overlaps(one, other), overlaps(other, one))
      assert.ok(covers(one, one))
    }),
    { numRuns: 500 }
  )
})

test('covers agrees with node:net about addresses', () => {
  fc.assert(
    fc.property(cidrs, cidrs, (outer, other) => {
      const address = other.split('/')[0] as Cidr
      const [network, prefix] = outer.split('/') as [string, string | undefined]
      const list = new BlockList()
      const family = network.includes(':') ? 'ipv6' : 'ipv4'
      list.addSubnet(network, Number(prefix ?? (family === 'ipv6' ? 128 : 32)), family)
      // Its check of an IPv6 address looks into mapped IPv4 as well, so it is only asked about its own family.
      if (address.includes(':') !== (family === 'ipv6')) assert.equal(covers(outer, address), false)
      else assert.equal(covers(outer, address), list.check(address, family))
    }),
    { numRuns: 500 }
  )
})
