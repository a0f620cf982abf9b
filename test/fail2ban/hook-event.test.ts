import { deepEqual, equal, ok } from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { checkHookEvent, HOOK_ARGS_LIMITS, parseHookArgs } from '../../src/fail2ban/hook-event.ts'

const BAN = 'ban --jail sshd --ip 203.0.113.7 --time 1763668800.2025414 --bantime 600 --failures 3'

test('The commands of the shipped action are understood.', () => {
  const about = { jail: 'sshd', ip: '203.0.113.7', time: 1763668800, banTime: 600 }
  for (const [line, event] of [
    [BAN, { event: 'ban', ...about, failures: 3 }],
    [BAN.replace('ban ', 'prolong '), { event: 'prolong', ...about, failures: 3 }],
    ['unban --jail sshd --ip 203.0.113.7 --time 1763668800 --bantime 600', { event: 'unban', ...about }],
    [BAN.replace(' 600', ' -1'), { event: 'ban', ...about, banTime: -1, failures: 3 }],
    [BAN.replace('203.0.113.7', '2001:db8::/48'), { event: 'ban', ...about, ip: '2001:db8::/48', failures: 3 }],
    ['flush --jail sshd --family inet4', { event: 'flush', jail: 'sshd' }],
    ['flush --jail sshd --family ', { event: 'flush', jail: 'sshd' }],
    ['start --jail sshd', { event: 'start', jail: 'sshd' }],
    ['stop --jail sshd', { event: 'stop', jail: 'sshd' }]
  ] as const) {
    deepEqual(parseHookArgs(line.split(' ')), { ok: true, value: event }, line)
  }
})

test('Addresses and networks of both families are told from words.', () => {
  const about = { event: 'ban', jail: 'sshd', time: 1763668800, banTime: 600 }
  const takes = (ip: string): boolean => checkHookEvent({ ...about, ip }).ok
  for (const ip of ['0.0.0.0', '203.0.113.7', '255.255.255.255', '203.0.113.0/24', '0.0.0.0/0', '10.0.0.1/32']) {
    equal(takes(ip), true, ip)
  }
  for (const ip of ['::', '::1', '2001:db8::7', '2001:DB8::/48', '::ffff:203.0.113.7', '1:2:3:4:5:6:7:8/128', '::/0']) {
    equal(takes(ip), true, ip)
  }
  for (const ip of [
    '',
    'root',
    '1.2.3',
    '1.2.3.4.5',
    '1.2.3.4.',
    '1.2.3.256',
    '1.2.3.4/',
    '1.2.3.4/33',
    '1.2.3.4/032'
  ]) {
    equal(takes(ip), false, ip)
  }
  for (const ip of [
    '12:30',
    'a:b:z',
    '::1/129',
    '::1/',
    '::1 ',
    'fe80::1%lo',
    '[::1]',
    `::${'1'.repeat(44)}`,
    '::1/-1'
  ]) {
    equal(takes(ip), false, ip)
  }
})

test('Everything else is refused with its reason.', () => {
  for (const [line, reason] of [
    ['', 'bad-event'],
    ['burn --jail sshd', 'bad-event'],
    ['start', 'bad-jail'],
    ['start --jail', 'bad-option'],
    ['start --jail sshd --jail sshd', 'bad-option'],
    ['start --jail sshd --ip 203.0.113.7', 'bad-option'],
    ['start --jail=sshd', 'bad-option'],
    ['start --jail sshd extra', 'bad-option'],
    ['start --jail ss/hd', 'bad-jail'],
    [`start --jail ${'j'.repeat(65)}`, 'bad-jail'],
    [BAN.replace('203.0.113.7', 'root'), 'not-an-address'],
    [BAN.replace('203.0.113.7', '203.0.113.7/33'), 'not-an-address'],
    [BAN.replace('203.0.113.7', '203.0.113.7/08'), 'not-an-address'],
    [BAN.replace('203.0.113.7', '203.0.113.7/8/8'), 'not-an-address'],
    [BAN.replace('203.0.113.7', 'fe80::1%eth0'), 'not-an-address'],
    [BAN.replace('203.0.113.7', '-1'), 'not-an-address'],
    [BAN.replace('1763668800.2025414', 'now'), 'bad-time'],
    [BAN.replace('1763668800.2025414', '-1'), 'bad-time'],
    [BAN.replace('1763668800.2025414', '1e9'), 'bad-time'],
    [BAN.replace(' 600', ' -2'), 'bad-ban-time'],
    [BAN.replace(' 600', ' 600.5'), 'bad-ban-time'],
    [BAN.replace(' 600', ' 100000000001'), 'bad-ban-time'],
    [BAN.replace('--failures 3', '--failures many'), 'bad-failures'],
    ['ban --jail sshd --ip 203.0.113.7 --time 1763668800', 'bad-ban-time'],
    ['ban --jail sshd --ip 203.0.113.7 --bantime 600', 'bad-time'],
    ['ban --jail sshd --time 1763668800 --bantime 600', 'no-address']
  ] as const) {
    deepEqual(parseHookArgs(line === '' ? [] : line.split(' ')), { ok: false, reason }, line)
  }
})

test('The bounds of the command line hold.', () => {
  const word = (length: number) => parseHookArgs(['flush', '--jail', 'sshd', '--family', 'f'.repeat(length)]).ok
  equal(word(HOOK_ARGS_LIMITS.argumentLength), true)
  equal(word(HOOK_ARGS_LIMITS.argumentLength + 1), false)
  const refused = parseHookArgs(['start', ...Array.from({ length: HOOK_ARGS_LIMITS.arguments }, () => '--jail')])
  deepEqual(refused, { ok: false, reason: 'bad-option' })
})

test('An event that comes as JSON is checked as strictly.', () => {
  const ban = { event: 'ban', jail: 'sshd', ip: '203.0.113.7', time: 1763668800, banTime: 600 }
  deepEqual(checkHookEvent(ban), { ok: true, value: ban })
  for (const bad of [
    null,
    [],
    'ban',
    { ...ban, more: 1 },
    { ...ban, time: '1763668800' },
    { ...ban, time: 1.5 },
    { ...ban, jail: 7 },
    { event: 'stop', jail: 'sshd', failures: 0 }
  ]) {
    equal(checkHookEvent(bad).ok, false, JSON.stringify(bad))
  }
})

test('What the hook needs imports no package and nothing that is slow to load.', () => {
  const cheap = new Set(['node:fs', 'node:path', '../core/limits.ts', '../core/result.ts'])
  const seen = new Set<string>()
  const visit = (file: string): void => {
    if (seen.has(file)) return
    seen.add(file)
    const source = readFileSync(new URL(`../../src/fail2ban/${file}`, import.meta.url), 'utf8')
    for (const [, oneLine, lastLine] of source.matchAll(/^(?:import|export) .*from '(.*)'|^} from '(.*)'/gm)) {
      const specifier = oneLine ?? lastLine ?? ''
      if (specifier.startsWith('./')) visit(specifier.slice(2))
      else ok(cheap.has(specifier), `${file} imports ${specifier}`)
    }
  }
  visit('spool.ts')
  ok(seen.has('hook-event.ts'))
})
