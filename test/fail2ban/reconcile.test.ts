import { deepEqual, equal } from 'node:assert/strict'
import { test } from 'node:test'
import { parseCidr, type Cidr } from '../../src/core/cidr.ts'
import { parseSubject, type Subject } from '../../src/core/subject.ts'
import type { Wanted } from '../../src/fail2ban/outbox.ts'
import { compare, ignoring, VETO_LIMIT, type CompareInput } from '../../src/fail2ban/reconcile.ts'

const NOW = 1763668800
const BAN_TIME = 3600
const IP = '203.0.113.7'
const none = new Set<Cidr>()

function subject(text: string): Subject {
  const parsed = parseSubject(text)
  if (!parsed.ok) throw new Error(text)
  return parsed.value
}

function cidr(text: string): Cidr {
  const parsed = parseCidr(text)
  if (parsed === null) throw new Error(text)
  return parsed
}

function want(text: string, until = NOW + 86_400): Wanted {
  return { subject: subject(text), until, jail: 'sshd', score: 800_000, origins: 1 }
}

function input(over: Partial<CompareInput>): CompareInput {
  return {
    wanted: [want(IP)],
    handed: new Map([[cidr(IP), NOW - 60]]),
    lifted: none,
    listed: new Set([cidr(IP)]),
    ignored: [],
    life: 'same',
    banTimeSeconds: BAN_TIME,
    nowSeconds: NOW,
    ...over
  }
}

const NOTHING = { ban: [], unban: [], veto: [], restored: 0, forget: [] }
const handedAt = (at: number): ReadonlyMap<Cidr, number> => new Map([[cidr(IP), at]])

test('Each state of a ban has its one remedy.', () => {
  const wanted: Wanted[] = []
  const lost = { ...NOTHING, ban: [IP], restored: 1 }
  for (const [what, over, expected] of [
    ['as it should be', {}, NOTHING],
    ['wanted and never handed over', { handed: new Map(), listed: none }, { ...NOTHING, ban: [IP] }],
    ['wanted, listed, and we were restarted', { handed: new Map() }, { ...NOTHING, ban: [IP] }],
    ['lifted by somebody', { listed: none }, { ...NOTHING, veto: [IP] }],
    ['lost with the old life of the jail', { listed: none, life: 'new' }, lost],
    ['kept in a new life of the jail', { life: 'new' }, { ...NOTHING, ban: [IP] }],
    ['missing, and nobody knows why', { listed: none, life: 'unknown' }, lost],
    ['ended by itself', { listed: none, handed: handedAt(NOW - BAN_TIME) }, lost],
    ['about to end by itself', { listed: none, handed: handedAt(NOW - BAN_TIME + 5) }, lost],
    ['lifted just before', { listed: none, handed: handedAt(NOW - BAN_TIME + 6) }, { ...NOTHING, veto: [IP] }],
    ['a short ban about to end', { listed: none, handed: handedAt(NOW - 14), banTimeSeconds: 16 }, lost],
    [
      'a short ban lifted just before',
      { listed: none, handed: handedAt(NOW - 13), banTimeSeconds: 16 },
      { ...NOTHING, veto: [IP] }
    ],
    ['lifted, the ban was for ever', { listed: none, banTimeSeconds: Infinity }, { ...NOTHING, veto: [IP] }],
    ['for ever', { banTimeSeconds: Infinity }, NOTHING],
    ['in the first half of its time', { handed: handedAt(NOW - BAN_TIME / 2 + 1) }, NOTHING],
    ['in the second half', { handed: handedAt(NOW - BAN_TIME / 2) }, { ...NOTHING, ban: [IP] }],
    [
      'in the second half, the verdict ends before it',
      { handed: handedAt(NOW - 3000), wanted: [want(IP, NOW + 600)] },
      NOTHING
    ],
    [
      'in the second half, the verdict ends after it',
      { handed: handedAt(NOW - 3000), wanted: [want(IP, NOW + 601)] },
      { ...NOTHING, ban: [IP] }
    ],
    ['not wanted any more', { wanted }, { ...NOTHING, unban: [IP] }],
    ['not wanted since this second', { wanted: [want(IP, NOW)] }, { ...NOTHING, unban: [IP] }],
    ['not wanted and gone', { wanted, listed: none }, { ...NOTHING, forget: [IP] }],
    [
      'back after we lifted it',
      { wanted, handed: new Map(), lifted: new Set([cidr(IP)]) },
      { ...NOTHING, unban: [IP] }
    ],
    ['lifted, and wanted again', { handed: new Map(), lifted: new Set([cidr(IP)]) }, { ...NOTHING, ban: [IP] }],
    ["somebody's own", { wanted, handed: new Map() }, NOTHING],
    ['ignored by the jail', { ignored: [cidr('203.0.113.0/24')], handed: new Map(), listed: none }, NOTHING],
    ['ignored by the jail of late', { ignored: [cidr('203.0.113.0/24')] }, { ...NOTHING, unban: [IP] }]
  ] satisfies readonly (readonly [string, Partial<CompareInput>, object])[]) {
    deepEqual(compare(input(over)), expected, what)
  }
})

test('As many unbans as the limit are vetoes, and one more is none.', () => {
  const missing = (count: number) => {
    const wanted = Array.from({ length: count }, (_, i) => want(`203.0.113.${i + 1}`))
    const handed = new Map(wanted.map((ban) => [ban.subject as Cidr, NOW - 60]))
    const { veto, restored } = compare(input({ wanted, handed, listed: none }))
    return [veto.length, restored]
  }
  deepEqual(missing(VETO_LIMIT), [VETO_LIMIT, 0])
  deepEqual(missing(VETO_LIMIT + 1), [0, VETO_LIMIT + 1])
})

test('The ignored addresses are found in both families, one by one and in networks, and in networks that are banned.', () => {
  const isIgnored = ignoring(['127.0.0.0/8', '203.0.113.7', '2001:db8:1::/48', '::1'].map(cidr))
  for (const [text, expected] of [
    ['127.1.2.3', true],
    ['203.0.113.7', true],
    ['203.0.113.8', false],
    ['203.0.113.0/24', true],
    ['198.51.100.0/24', false],
    ['2001:db8:1::9', true],
    ['2001:db8:2::9', false],
    ['2001:db8:1:2::/64', true],
    ['::1', true]
  ] as const) {
    equal(isIgnored(cidr(text)), expected, text)
  }
})
