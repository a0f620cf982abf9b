import { deepEqual, equal } from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { PROTOCOL_LIMITS } from '../../src/core/limits.ts'
import {
  decide,
  FLUSH_SETTLE_MS,
  settle,
  type Decision,
  type Flushes,
  type ShareRules
} from '../../src/fail2ban/events.ts'
import type { HookEvent } from '../../src/fail2ban/hook-event.ts'

const NOW = 1763668800
const RULES: ShareRules = {
  jails: ['*'],
  minBanTimeSeconds: 60,
  maxBanTimeSeconds: 7 * 86_400,
  meshJails: ['banmesh', 'web-mesh']
}
const IP = '203.0.113.7'

function ban(over: Partial<HookEvent> = {}): HookEvent {
  return { event: 'ban', jail: 'sshd', ip: IP, time: NOW, banTime: 600, failures: 5, ...over }
}

function unban(over: Partial<HookEvent> = {}): HookEvent {
  return { event: 'unban', jail: 'sshd', ip: IP, time: NOW, banTime: 600, ...over }
}

function sign(event: 'flush' | 'start' | 'stop', jail = 'sshd'): HookEvent {
  return { event, jail }
}

/** Events with the second after NOW at which they happen; then time passes until everything is settled. */
function play(events: readonly (readonly [number, HookEvent])[], rules = RULES): Decision[] {
  let flushes: Flushes = []
  const all: Decision[] = []
  for (const [second, event] of events) {
    const at = (NOW + second) * 1000
    const due = settle(flushes, at)
    const decided = decide(due.flushes, event, at, rules)
    all.push(...due.decisions, ...decided.decisions)
    flushes = decided.flushes
  }
  return [...all, ...settle(flushes, (NOW + 1_000_000) * 1000).decisions]
}

const ANNOUNCED = { kind: 'announce', subject: IP, jail: 'sshd', until: NOW + 600, endsAt: NOW + 600, failures: 5 }
const LIFTED = { kind: 'lift', subject: IP, jail: 'sshd' }
const ALL = { kind: 'lift-all', jail: 'sshd' }

test('Each thing that happens in fail2ban means the right thing to the mesh.', () => {
  for (const [what, events, decisions] of [
    ['a ban', [[1, ban()]], [ANNOUNCED]],
    ['a manual unban', [[599, unban()]], [LIFTED]],
    ['a natural end', [[600, unban()]], []],
    ['a natural end, noticed late', [[700, unban()]], []],
    ['a manual unban of a permanent ban', [[5_000_000, unban({ banTime: -1 })]], [LIFTED]],
    [
      'a longer time',
      [[1, ban({ event: 'prolong', banTime: 1200 })]],
      [{ ...ANNOUNCED, until: NOW + 1200, endsAt: NOW + 1200 }]
    ],
    [
      'a stop',
      [
        [1, sign('flush')],
        [2, sign('stop')]
      ],
      []
    ],
    [
      'a stop with both families',
      [
        [1, sign('flush')],
        [1, sign('flush')],
        [2, sign('stop')]
      ],
      []
    ],
    [
      'a stop whose last word was lost',
      [
        [1, sign('flush')],
        [5, sign('start')]
      ],
      []
    ],
    ['a stop without bans', [[1, sign('stop')]], []],
    ['a start', [[1, sign('start')]], []],
    ['unban --all', [[1, sign('flush')]], [ALL]],
    [
      'unban --all and then a ban',
      [
        [1, sign('flush')],
        [2, ban()]
      ],
      [ALL, ANNOUNCED]
    ],
    [
      'unban --all and then an unban',
      [
        [1, sign('flush')],
        [2, unban()]
      ],
      [ALL, LIFTED]
    ],
    [
      'unban --all and later a stop',
      [
        [1, sign('flush')],
        [12, sign('stop')]
      ],
      [ALL]
    ],
    [
      'a prolongation that comes late in a stop',
      [
        [1, sign('flush')],
        [2, ban({ event: 'prolong' })],
        [3, sign('stop')]
      ],
      []
    ],
    [
      'a stop of another jail',
      [
        [1, sign('flush')],
        [2, sign('stop', 'nginx')]
      ],
      [ALL]
    ]
  ] as const satisfies readonly (readonly [string, readonly (readonly [number, HookEvent])[], readonly object[]])[]) {
    deepEqual(play(events), decisions, what)
  }
})

test('A ban that is too short, over, or not of an address is not announced, and one that is long enough is.', () => {
  const announced = (event: HookEvent, second = 1) => play([[second, event]]).length
  equal(announced(ban({ banTime: 60 })), 1)
  equal(announced(ban({ banTime: 59 })), 0)
  equal(announced(ban(), 599), 1)
  equal(announced(ban(), 600), 0)
  equal(announced(ban({ ip: 'root' })), 0)
  equal(announced(ban({ ip: '203.0.112.0/23' })), 0)
  equal(announced(unban({ ip: 'root' })), 0)
})

test('A ban is announced for as long as a claim may last, with a note when fail2ban will end it.', () => {
  const times = (banTime: number) => {
    const [decision] = play([[0, ban({ banTime })]])
    return decision?.kind === 'announce' ? [decision.until - NOW, decision.endsAt && decision.endsAt - NOW] : null
  }
  deepEqual(times(7 * 86_400), [7 * 86_400, 7 * 86_400])
  deepEqual(times(7 * 86_400 + 1), [7 * 86_400, 7 * 86_400 + 1])
  deepEqual(times(-1), [7 * 86_400, null])
})

test('Addresses become canonical, and failures are capped.', () => {
  const [decision] = play([[0, ban({ ip: '::ffff:203.0.113.7', failures: PROTOCOL_LIMITS.failures + 1 })]])
  deepEqual(decision, { ...ANNOUNCED, failures: PROTOCOL_LIMITS.failures })
})

test('Only the jails that are shared count, and never the jail of the mesh.', () => {
  const rules = { ...RULES, jails: ['nginx', 'banmesh'] }
  const events = (jail: string) =>
    [
      [0, ban({ jail })],
      [1, unban({ jail })],
      [2, sign('flush', jail)]
    ] as const
  equal(play(events('sshd'), rules).length, 0)
  equal(play(events('banmesh'), rules).length, 0)
  equal(play(events('banmesh')).length, 0)
  equal(play(events('nginx'), rules).length, 3)
})

test('A flush is undecided for a while and not longer, also if the clock is set back.', () => {
  const { flushes } = decide([], sign('flush'), 1_000_000, RULES)
  deepEqual(settle(flushes, 1_000_000 + FLUSH_SETTLE_MS - 1), {
    flushes,
    decisions: [],
    nextAt: 1_000_000 + FLUSH_SETTLE_MS
  })
  const lifted = { flushes: [], decisions: [ALL], nextAt: null }
  deepEqual(settle(flushes, 1_000_000 + FLUSH_SETTLE_MS), lifted)
  deepEqual(settle(flushes, 1_000_000 - FLUSH_SETTLE_MS), lifted)
})

test('However often fail2ban is stopped and started, with whatever in between, nothing is lifted by it.', () => {
  const jail = fc.constantFrom('sshd', 'nginx')
  const life = fc.record({ jail, flushed: fc.integer({ min: 0, max: 2 }), gapMs: fc.integer({ min: 0, max: 9999 }) })
  fc.assert(
    fc.property(fc.array(life, { maxLength: 20 }), (lives) => {
      let flushes: Flushes = []
      let at = NOW * 1000
      const decisions: Decision[] = []
      const take = (event: HookEvent): void => {
        const decided = decide(flushes, event, at, RULES)
        flushes = decided.flushes
        decisions.push(...decided.decisions, ...settle(flushes, at).decisions)
      }
      for (const { jail: name, flushed, gapMs } of lives) {
        take(sign('start', name))
        take(ban({ jail: name, time: Math.floor(at / 1000) }))
        for (let i = 0; i < flushed; i++) take(sign('flush', name))
        at += gapMs
        take(sign('stop', name))
        at += 60_000
      }
      equal(flushes.length, 0)
      equal(
        decisions.every(({ kind }) => kind === 'announce'),
        true
      )
    }),
    { numRuns: 200 }
  )
})
