/** Listed is not blocked: what a real firewall says about the bans of a real fail2ban. */
import { deepEqual, equal } from 'node:assert/strict'
import { test } from 'node:test'
import { createSocketClient } from '../../src/fail2ban/socket-client.ts'
import { enforced, ENFORCEMENT_LIMITS, readFirewall } from '../../src/fail2ban/enforcement.ts'
import { parseIpsets, parseIptables } from '../../src/fail2ban/firewall-iptables.ts'
import { parseNft } from '../../src/fail2ban/firewall-nft.ts'
import { isBlocked } from '../../src/fail2ban/firewall-walk.ts'
import { tableText } from '../../src/fail2ban/nft-ruleset.ts'
import { createNft } from '../../src/fail2ban/nft.ts'
import { requires } from '../support/requirements.ts'
import { firewalled } from './firewalled.ts'
import { subject } from './ledger.ts'
import { prepareFail2ban } from './server.ts'

const COMMANDS = ['ip', 'nft', 'iptables', 'iptables-save', 'fail2ban-server', 'fail2ban-client']
const skip = requires({ root: true, commands: COMMANDS })
const CIDR = '198.51.100.0/24'

test("Which bans of fail2ban's own actions the firewall enforces.", { skip }, async (t) => {
  const { namespace, run } = await firewalled(t)
  const actions = ['nftables-multiport', 'nftables-allports', 'iptables-multiport', 'iptables-allports']
  const jail = (name: string, action: string, port = '22'): string =>
    `[${name}]\nenabled = true\nfilter = sshd\nbackend = polling\nlogpath = /dev/null\nport = ${port}\nbantime = 1h\nbanaction = ${action}\naction = %(action_)s\n`
  const server = prepareFail2ban(t, {
    namespace,
    jails: [
      ...actions.map((action, index) => jail(`jail${index}`, action)),
      jail('broken', 'nftables-multiport', 'nosuchservice'),
      jail('books', 'nothing')
    ].join('')
  })
  const jails = [...actions.map((_, index) => `jail${index}`), 'broken', 'books']
  await server.start(...jails)
  const client = createSocketClient({ socket: server.socket })
  const proof = async (name: string, ...ips: string[]): Promise<unknown> => {
    await client.ban(name, ips.map(subject))
    const [listed, firewall] = [await client.banned(name), await readFirewall(['ip', 'netns', 'exec', namespace])]
    return listed.ok && firewall.ok ? enforced([...listed.value.keys()], firewall.value) : null
  }
  for (const [index, action] of actions.entries()) {
    const ips = [`203.0.113.${index + 1}`, `2001:db8::${index + 1}`]
    deepEqual(await proof(`jail${index}`, ...ips), { listed: 2, blocked: 2, open: [] }, action)
  }
  deepEqual(await proof('broken', '203.0.113.9'), { listed: 1, blocked: 0, open: ['203.0.113.9'] })
  deepEqual(await proof('books', '203.0.113.8'), { listed: 1, blocked: 0, open: ['203.0.113.8'] })
  // nftables' sets take single addresses only, so a CIDR is listed and open; iptables blocks it.
  deepEqual(await proof('jail1', CIDR), { listed: 3, blocked: 2, open: [CIDR] })
  deepEqual(await proof('jail3', '198.51.100.128/25'), { listed: 3, blocked: 3, open: [] })
  // Somebody reloads the firewall.
  await run('nft', 'flush', 'ruleset')
  deepEqual(await proof('jail0'), { listed: 2, blocked: 0, open: ['203.0.113.1', '2001:db8::1'] })
})

test("banmesh's own table counts, of addresses and of CIDRs.", { skip }, async (t) => {
  const { nft, namespace } = await firewalled(t)
  const bans = ['203.0.113.7', '2001:db8:1::/48', '198.51.100.0/25'].map((text) => ({
    subject: subject(text),
    seconds: 60
  }))
  for (const block of ['reject', 'drop'] as const) {
    equal((await createNft({ command: nft }).run(tableText(bans, block))).ok, true)
    const firewall = await readFirewall(['ip', 'netns', 'exec', namespace])
    equal(firewall.ok, true)
    const is = (text: string): boolean => firewall.ok && firewall.value.blocks(subject(text))
    for (const text of ['203.0.113.7', '2001:db8:1::/48', '2001:db8:1:2::/64', '2001:db8:1::9', '198.51.100.127']) {
      equal(is(text), true, text)
    }
    for (const text of ['203.0.113.8', '2001:db8:2::1', '198.51.100.128', '198.51.100.0/24'])
      equal(is(text), false, text)
  }
})

test('Without a firewall program, or the right to ask, nothing is said to be open.', { skip }, async (t) => {
  const { namespace } = await firewalled(t)
  const nobody = ['ip', 'netns', 'exec', namespace, 'setpriv', '--reuid', '65534', '--clear-groups', '--regid', '65534']
  deepEqual(await readFirewall(nobody), { ok: false, reason: 'needs-cap-net-admin' })
  deepEqual(await readFirewall(['/nonexistent/program']), { ok: false, reason: 'no-firewall-program' })
})

test('The walk goes through chains as the kernel does, and a block of everybody is no ban.', () => {
  const saved = (...rules: string[]): string =>
    ['*nat', '-A INPUT -s 203.0.113.1/32 -j DROP', '*filter', ':INPUT DROP [0:0]', ':bans - [0:0]', ':more - [0:0]']
      .concat(rules, 'COMMIT')
      .join('\n')
  const ipsets = parseIpsets(
    'create f2b hash:ip family inet hashsize 1024\nadd f2b 203.0.113.1 timeout 600\ncreate f2b-net hash:net family inet\nadd f2b-net 203.0.113.0/24\n'
  )
  for (const [expected, ...rules] of [
    [true, '-A INPUT -s 203.0.113.1/32 -j DROP'],
    [true, '-A INPUT -s 203.0.113.0/24 -p tcp -m multiport --dports 22,80 -j REJECT --reject-with tcp-reset'],
    [true, '-A INPUT -p tcp -j bans', '-A bans -s 203.0.113.1/32 -j DROP', '-A bans -j RETURN'],
    [true, '-A INPUT -s 203.0.113.1/32 -j bans', '-A bans -j DROP'],
    [true, '-A INPUT -s 203.0.113.1/32 -g bans', '-A bans -j LOG', '-A bans -j more', '-A more -j REJECT'],
    [true, '-A INPUT -m set --match-set f2b src -j DROP'],
    [true, '-A INPUT -m set --match-set f2b-net src -j DROP'],
    [true, '-A INPUT -m state --state ESTABLISHED -j ACCEPT', '-A INPUT -s 203.0.113.1/32 -j DROP'],
    [true, '-A INPUT -s 203.0.113.1/32 -m comment --comment "a -j \\"ACCEPT\\" b" -j DROP'],
    // Not at all, not this one, not from there.
    [false],
    [false, '-A INPUT -s 203.0.113.2/32 -j DROP'],
    [false, '-A bans -s 203.0.113.1/32 -j DROP'],
    [false, '-A INPUT -s 203.0.113.1/32 -j LOG'],
    [false, '-A INPUT -d 203.0.113.1/32 -j DROP'],
    [false, '-A INPUT -m set --match-set f2b dst -j DROP'],
    [false, '-A INPUT -m set --match-set nosuch src -j DROP'],
    [false, '-A INPUT ! -s 203.0.113.2/32 -j DROP'],
    [false, '-A INPUT -m set ! --match-set f2b src -j DROP'],
    // Something before it lets it in.
    [false, '-A INPUT -j ACCEPT', '-A INPUT -s 203.0.113.1/32 -j DROP'],
    [false, '-A INPUT -s 203.0.113.0/24 -j ACCEPT', '-A INPUT -s 203.0.113.1/32 -j DROP'],
    [false, '-A INPUT -j bans', '-A bans -j RETURN', '-A bans -s 203.0.113.1/32 -j DROP'],
    [false, '-A INPUT -j bans', '-A bans -j ACCEPT', '-A INPUT -s 203.0.113.1/32 -j DROP'],
    // Everybody.
    [false, '-A INPUT -j DROP'],
    [false, '-A INPUT -p tcp --dport 25 -j DROP'],
    // No end.
    [false, '-A INPUT -j bans', '-A bans -j more', '-A more -j bans']
  ] as const) {
    const parsed = parseIptables(saved(...rules), ipsets)!
    equal(isBlocked(subject('203.0.113.1'), parsed), expected, rules.join('\n'))
  }
  equal(parseIptables(saved('-A nosuch -j DROP'), ipsets), null)
})

test('Sets, literals, ranges and masks of nftables are understood, and what is not a filter of incoming packets is none.', () => {
  const chain = (hook: object) => ({ chain: { family: 'inet', table: 't', name: 'c', ...hook } })
  const input = chain({ type: 'filter', hook: 'input', prio: 0 })
  const saddr = { payload: { protocol: 'ip', field: 'saddr' } }
  const blocked = (base: object, left: unknown, right: unknown, op = '==', elem: unknown[] = []): boolean => {
    const set = { set: { family: 'inet', table: 't', name: 's', elem } }
    const rule = {
      rule: { family: 'inet', table: 't', chain: 'c', expr: [{ match: { op, left, right } }, { drop: null }] }
    }
    return isBlocked(subject('203.0.113.7'), parseNft(JSON.stringify({ nftables: [base, set, rule] }))!)
  }
  equal(blocked(input, saddr, '203.0.113.7'), true)
  equal(blocked(input, saddr, '203.0.113.8'), false)
  equal(blocked(input, saddr, '203.0.113.7', '!='), false)
  equal(blocked(input, saddr, { prefix: { addr: '203.0.113.0', len: 24 } }), true)
  equal(blocked(input, saddr, { range: ['203.0.113.1', '203.0.113.9'] }), true)
  equal(blocked(input, saddr, { range: ['203.0.113.8', '203.0.113.9'] }), false)
  equal(blocked(input, saddr, { set: ['203.0.113.1', '203.0.113.7'] }), true)
  equal(blocked(input, saddr, '@s', '==', ['203.0.113.7']), true)
  equal(blocked(input, saddr, '@s', '==', [{ elem: { val: '203.0.113.7', timeout: 9, expires: 8 } }]), true)
  equal(blocked(input, saddr, '@s', '==', [{ elem: { val: { prefix: { addr: '203.0.113.0', len: 28 } } } }]), true)
  equal(blocked(input, saddr, '@s'), false)
  equal(blocked(input, { '&': [saddr, '255.255.255.0'] }, '@s', '==', ['203.0.113.0']), true)
  equal(blocked(input, { '&': [saddr, '255.255.255.0'] }, '@s', '==', ['203.0.112.0']), false)
  equal(blocked(input, { payload: { protocol: 'ip', field: 'daddr' } }, '203.0.113.7'), false)
  equal(blocked(chain({}), saddr, '203.0.113.7'), false)
  equal(blocked(chain({ type: 'filter', hook: 'output' }), saddr, '203.0.113.7'), false)
  equal(blocked(chain({ type: 'nat', hook: 'prerouting' }), saddr, '203.0.113.7'), false)
  for (const text of ['', '{}', '{"nftables": 7}']) equal(parseNft(text), null, text)
})

test('Of very many bans so many are looked up, spread over all, and a few are named.', () => {
  const many = Array.from({ length: ENFORCEMENT_LIMITS.subjects + 1 }, (_, i) => subject(`2001:db8::${i.toString(16)}`))
  const none = enforced(many, { blocks: () => false })
  deepEqual([none.listed, none.blocked, none.open.length], [many.length, 0, ENFORCEMENT_LIMITS.named])
  // Looked up are the first, the third...
  const estimate = (open: number): number => enforced(many, { blocks: (each) => each !== many[open] }).blocked
  deepEqual([estimate(0), estimate(1)], [many.length - 2, many.length])
  equal(enforced(many.slice(1), { blocks: (each) => each !== many[1] }).blocked, ENFORCEMENT_LIMITS.subjects - 1)
  deepEqual(enforced([], { blocks: () => false }), { listed: 0, blocked: 0, open: [] })
})
