import { deepEqual, equal, match } from 'node:assert/strict'
import { test } from 'node:test'
import { parseFrame, parseListing } from '../../src/fail2ban/nft-listing.ts'
import { changeText, placeOf, tableText } from '../../src/fail2ban/nft-ruleset.ts'
import { subject } from './ledger.ts'

function element(text: string, seconds = 60) {
  return { subject: subject(text), seconds }
}

test('Every length of prefix has a set of its own, so that nothing overlaps in it.', () => {
  for (const [text, set, address] of [
    ['203.0.113.7', 'ipv4_32', '203.0.113.7'],
    ['203.0.113.0/24', 'ipv4_24', '203.0.113.0'],
    ['203.0.113.6/31', 'ipv4_31', '203.0.113.6'],
    ['2001:db8::7', 'ipv6_128', '2001:db8::7'],
    ['2001:db8:1::/48', 'ipv6_48', '2001:db8:1::']
  ] as const) {
    deepEqual(placeOf(subject(text)), { set, address })
  }
})

test('The table is made anew, with a rule for each set that is in use.', () => {
  const text = tableText([element('203.0.113.7', 5), element('203.0.113.0/25', 7), element('2001:db8:1::/48')], 'drop')
  equal(
    text,
    `add table inet banmesh
delete table inet banmesh
add table inet banmesh
add chain inet banmesh refuse
add rule inet banmesh refuse counter drop
add chain inet banmesh incoming { type filter hook prerouting priority -300; policy accept; }
add set inet banmesh ipv4_32 { type ipv4_addr; flags timeout; }
add rule inet banmesh incoming ip saddr @ipv4_32 goto refuse
add set inet banmesh ipv4_25 { type ipv4_addr; flags timeout; }
add rule inet banmesh incoming ip saddr & 255.255.255.128 @ipv4_25 goto refuse
add set inet banmesh ipv6_48 { type ipv6_addr; flags timeout; }
add rule inet banmesh incoming ip6 saddr & ffff:ffff:ffff:: @ipv6_48 goto refuse
add element inet banmesh ipv4_32 { 203.0.113.7 timeout 5s }
add element inet banmesh ipv4_25 { 203.0.113.0 timeout 7s }
add element inet banmesh ipv6_48 { 2001:db8:1:: timeout 60s }
`
  )
  match(tableText([], 'reject'), /reject with tcp reset\n.*reject with icmpx type admin-prohibited\n/)
})

test('A change makes the sets that are missing, once, and works whatever is in the others.', () => {
  const sets = new Set(['ipv4_32'])
  const change = changeText([element('203.0.113.7'), element('203.0.113.0/24', 9)], [subject('203.0.113.8')], sets)
  equal(
    change.text,
    `add set inet banmesh ipv4_24 { type ipv4_addr; flags timeout; }
add rule inet banmesh incoming ip saddr & 255.255.255.0 @ipv4_24 goto refuse
add element inet banmesh ipv4_32 { 203.0.113.7, 203.0.113.8 }
delete element inet banmesh ipv4_32 { 203.0.113.7, 203.0.113.8 }
add element inet banmesh ipv4_32 { 203.0.113.7 timeout 60s }
add element inet banmesh ipv4_24 { 203.0.113.0 timeout 9s }
`
  )
  deepEqual([...change.sets], ['ipv4_32', 'ipv4_24'])
  deepEqual([...sets], ['ipv4_32'])
  equal(changeText([], [], sets).text, '')
})

const SET = { set: { family: 'inet', name: 'ipv4_24', table: 'banmesh', type: 'ipv4_addr', flags: ['timeout'] } }
const listing = (...items: object[]): string => JSON.stringify({ nftables: [{ metainfo: { version: '1' } }, ...items] })
const set = (...elem: unknown[]): string => listing({ set: { ...SET.set, elem } })

test('The elements of a listing are read with their ends.', () => {
  const timed = { elem: { val: '203.0.113.0', timeout: 600, expires: 599 } }
  deepEqual(parseListing(set(timed, '198.51.100.0')), {
    elements: new Map([
      ['203.0.113.0/24', 599],
      ['198.51.100.0/24', Infinity]
    ]),
    foreign: false
  })
  deepEqual(parseListing(listing(SET)), { elements: new Map(), foreign: false })
  for (const odd of [
    { range: ['203.0.113.1', '203.0.113.5'] },
    { prefix: { addr: '203.0.113.0', len: 24 } },
    7,
    null
  ]) {
    equal(parseListing(set(odd))?.foreign, true, JSON.stringify(odd))
  }
})

test('What is no listing is not understood.', () => {
  for (const text of ['', 'x', 'null', '[]', '{}', '{"nftables": {}}', '{"nftables": [7]}']) {
    equal(parseListing(text), null, text)
    equal(parseFrame(text), null, text)
  }
})

test('The frame is the same whatever is counted and numbered, and another one when a rule is.', () => {
  const rule = (packets: number, handle: number, verdict: object = { drop: null }): string =>
    listing(SET, { rule: { handle, expr: [{ counter: { packets, bytes: 7 } }, verdict] } })
  equal(parseFrame(rule(1, 2)), parseFrame(rule(3, 4)))
  equal(parseFrame(set('203.0.113.0')), parseFrame(listing(SET)))
  equal(parseFrame(rule(1, 2)) === parseFrame(rule(1, 2, { accept: null })), false)
  equal(parseFrame(rule(1, 2)) === parseFrame(listing(SET)), false)
})
