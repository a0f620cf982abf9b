import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { overlaps, parseCidr, type Cidr } from '../../src/core/cidr.ts'
import { coveringCidrs, createProtection, type ProtectionSets } from '../../src/core/protection.ts'
import { createRanges, rangeOf } from '../../src/core/ranges.ts'
import { parseSubject, type Subject } from '../../src/core/subject.ts'
import { cidrs, subjects } from './cidrs.ts'

const NOTHING: ProtectionSets = { allowlist: [], own: [], friends: [], vetoes: [], protectReserved: false }

function subject(text: string): Subject {
  const parsed = parseSubject(text)
  assert.ok(parsed.ok, text)
  return parsed.value
}

const cidr = (text: string): Cidr => parseCidr(text)!

test('a range overlaps a set if it overlaps one of the CIDRs in it', () => {
  fc.assert(
    fc.property(fc.array(cidrs, { maxLength: 30 }), subjects, (set, given) => {
      const expected = set.some((one) => overlaps(one, given))
      assert.equal(createRanges(set)(rangeOf(given)), expected)
    }),
    { numRuns: 500 }
  )
})

test('of CIDRs that begin or end together the wider one counts, whichever comes first', () => {
  const nested = ['198.51.100.0', '198.51.100.0/25', '198.51.100.0/24', '198.51.100.255'].map(cidr)
  for (const set of [nested, nested.toReversed()]) {
    const touches = createRanges(set)
    for (const hit of ['198.51.100.0', '198.51.100.200', '198.51.100.255']) assert.ok(touches(rangeOf(cidr(hit))), hit)
    for (const miss of ['198.51.99.255', '198.51.101.0']) assert.ok(!touches(rangeOf(cidr(miss))), miss)
  }
})

for (const [name, reason] of [
  ['allowlist', 'allowlisted'],
  ['own', 'own-address'],
  ['friends', 'friend-address'],
  ['vetoes', 'vetoed']
] as const) {
  test(`${name}: refused as ${reason} whichever of the two is the wider one`, () => {
    const set = ['198.51.100.7', '192.0.2.128/25', '2001:db8:1::7', '2001:db8:2::/48'].map(cidr)
    const { protectedBy } = createProtection({ ...NOTHING, [name]: set })
    for (const hit of [
      '198.51.100.7',
      '198.51.100.0/24',
      '198.51.100.6/31',
      '192.0.2.128',
      '192.0.2.255',
      '192.0.2.0/24',
      '192.0.2.192/26',
      '2001:db8:1::7',
      '2001:db8:1::/64',
      '2001:db8:2:3::4',
      '::ffff:198.51.100.7'
    ]) {
      assert.equal(protectedBy(subject(hit)), reason, hit)
    }
    for (const miss of [
      '198.51.100.6',
      '198.51.100.8',
      '192.0.2.127',
      '192.0.2.0/25',
      '192.0.3.0',
      '2001:db8:1::8',
      '2001:db8:3::/48'
    ]) {
      assert.equal(protectedBy(subject(miss)), null, miss)
    }
  })
}

test('of several reasons the one that needs attention is given; reserved ranges mean somebody else', () => {
  const all = ['10.0.0.5', '8.8.8.8'].map(cidr)
  const sets = { allowlist: all, own: all, friends: all, vetoes: all, protectReserved: true }
  const order = [
    [{}, 'own-address'],
    [{ own: [] }, 'friend-address'],
    [{ own: [], friends: [] }, 'vetoed'],
    [{ own: [], friends: [], vetoes: [] }, 'allowlisted'],
    [{ own: [], friends: [], vetoes: [], allowlist: [] }, null]
  ] as const
  for (const [fewer, reason] of order) {
    const { protectedBy } = createProtection({ ...sets, ...fewer })
    assert.equal(protectedBy(subject('8.8.8.8')), reason)
    assert.equal(protectedBy(subject('10.0.0.5')), 'reserved')
  }
})

test('thousands of entries, nested and side by side, are found each', () => {
  const allowlist = Array.from({ length: 5000 }, (_, i) => cidr(`9.${i >> 8}.${i & 255}.16/28`))
  const { protectedBy } = createProtection({ ...NOTHING, allowlist: [...allowlist, cidr('9.0.0.0/20')] })
  for (let i = 0; i < 5000; i += 7) {
    assert.equal(protectedBy(subject(`9.${i >> 8}.${i & 255}.20`)), 'allowlisted')
    assert.equal(protectedBy(subject(`9.${i >> 8}.${i & 255}.0/24`)), 'allowlisted')
    assert.equal(protectedBy(subject(`9.${i >> 8}.${i & 255}.32`)), i < 16 ? 'allowlisted' : null)
  }
})

/** First and last address of each block of the IANA registries, and their neighbours that are free. */
const REGISTRY = [
  ['0.0.0.0', '0.255.255.255', null, '1.0.0.0'],
  ['10.0.0.0', '10.255.255.255', '9.255.255.255', '11.0.0.0'],
  ['100.64.0.0', '100.127.255.255', '100.63.255.255', '100.128.0.0'],
  ['127.0.0.0', '127.255.255.255', '126.255.255.255', '128.0.0.0'],
  ['169.254.0.0', '169.254.255.255', '169.253.255.255', '169.255.0.0'],
  ['172.16.0.0', '172.31.255.255', '172.15.255.255', '172.32.0.0'],
  ['192.0.0.0', '192.0.0.255', '191.255.255.255', '192.0.1.0'],
  ['192.0.2.0', '192.0.2.255', '192.0.1.255', '192.0.3.0'],
  ['192.31.196.0', '192.31.196.255', '192.31.195.255', '192.31.197.0'],
  ['192.52.193.0', '192.52.193.255', '192.52.192.255', '192.52.194.0'],
  ['192.88.99.0', '192.88.99.255', '192.88.98.255', '192.88.100.0'],
  ['192.168.0.0', '192.168.255.255', '192.167.255.255', '192.169.0.0'],
  ['192.175.48.0', '192.175.48.255', '192.175.47.255', '192.175.49.0'],
  ['198.18.0.0', '198.19.255.255', '198.17.255.255', '198.20.0.0'],
  ['198.51.100.0', '198.51.100.255', '198.51.99.255', '198.51.101.0'],
  ['203.0.113.0', '203.0.113.255', '203.0.112.255', '203.0.114.0'],
  ['224.0.0.0', '255.255.255.255', '223.255.255.255', null],
  ['::', '::1', null, null],
  ['::1.2.3.4', '64:ff9b::203.0.113.7', null, null],
  ['64:ff9b:1::', '100::1', null, null],
  ['100:0:0:1::', '1fff:ffff::', null, '2000::'],
  ['4000::', '5f00::1', '3ffe:ffff::', null],
  ['fc00::', 'fdff::1', null, null],
  ['fe80::1', 'fec0::1', null, null],
  ['ff02::1', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', null, null],
  ['2001:1::1', '2001:1ff:ffff::', '2001:0:ffff::', '2001:200::'],
  ['2001:1::2', '2001:1::3', null, null],
  ['2001:2::', '2001:3::1', null, null],
  ['2001:4:112::', '2001:10::', null, null],
  ['2001:20::', '2001:3f:ffff::', null, null],
  ['2001:db8::', '2001:db8:ffff::', '2001:db7:ffff::', '2001:db9::'],
  ['2620:4f:8000::', '2620:4f:8000:ffff::', '2620:4f:7fff::', '2620:4f:8001::'],
  ['3fff::', '3fff:fff:ffff::', '3ffe:ffff::', '3fff:1000::']
] as const

test('the special-purpose ranges are protected from their first to their last address, and their neighbours are not', () => {
  const { protectedBy } = createProtection({ ...NOTHING, protectReserved: true })
  for (const [first, last, before, after] of REGISTRY) {
    assert.equal(protectedBy(subject(first)), 'reserved', first)
    assert.equal(protectedBy(subject(last)), 'reserved', last)
    for (const free of [before, after]) if (free !== null) assert.equal(protectedBy(subject(free)), null, free)
  }
})

test('a CIDR that touches a special-purpose range is protected as a whole', () => {
  const { protectedBy } = createProtection({ ...NOTHING, protectReserved: true })
  assert.equal(protectedBy(subject('64:ff9b::/96')), 'reserved')
  assert.equal(protectedBy(subject('192.0.2.0/24')), 'reserved')
  assert.equal(protectedBy(subject('::/48')), 'reserved')
  assert.equal(protectedBy(subject('192.0.1.0/24')), null)
})

test('hosts behind 6to4 and Teredo have no refuge, nor have ordinary addresses', () => {
  const { protectedBy } = createProtection({ ...NOTHING, protectReserved: true })
  for (const text of [
    '2002:c000:204::1',
    '2001::1',
    '2001:0:1234::/48',
    '8.8.8.8',
    '45.33.32.0/24',
    '2606:4700::1111',
    '2a00::/48'
  ]) {
    assert.equal(protectedBy(subject(text)), null, text)
  }
})

test('in a lab nothing is reserved', () => {
  const { protectedBy } = createProtection(NOTHING)
  for (const [first, last] of REGISTRY) {
    assert.equal(protectedBy(subject(first)), null, first)
    assert.equal(protectedBy(subject(last)), null, last)
  }
})

test('the covering CIDRs go from the next wider one to the widest that the protocol allows', () => {
  assert.deepEqual(
    [...coveringCidrs(subject('198.51.100.7'))],
    [
      '198.51.100.6/31',
      '198.51.100.4/30',
      '198.51.100.0/29',
      '198.51.100.0/28',
      '198.51.100.0/27',
      '198.51.100.0/26',
      '198.51.100.0/25',
      '198.51.100.0/24'
    ]
  )
  assert.deepEqual([...coveringCidrs(subject('198.51.100.0/25'))], ['198.51.100.0/24'])
  assert.deepEqual([...coveringCidrs(subject('198.51.100.0/24'))], [])
  assert.deepEqual([...coveringCidrs(subject('2001:db8:1::/48'))], [])
  const wide = [...coveringCidrs(subject('2001:db8:1:2:3:4:5:6'))]
  assert.equal(wide.length, 80)
  assert.equal(wide[0], '2001:db8:1:2:3:4:5:6/127')
  assert.equal(wide[63], '2001:db8:1:2::/64')
  assert.equal(wide.at(-1), '2001:db8:1::/48')
})
