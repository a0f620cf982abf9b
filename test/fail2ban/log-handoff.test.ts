import { deepEqual, equal } from 'node:assert/strict'
import { test } from 'node:test'
import { ok, refuse } from '../../src/core/result.ts'
import { createLogHandoff, LOG_HANDOFF } from '../../src/fail2ban/log-handoff.ts'
import type { LogEntry, LogRefusal } from '../../src/fail2ban/watched-log.ts'
import { createTestLedger } from './ledger.ts'
import { manualSchedule } from './schedule.ts'

const NOW = 1763668800_000
const UNTIL = NOW / 1000 + 86_400

function setUp() {
  const state = {
    now: NOW,
    instance: 'a' as string | null,
    renewed: false,
    refusal: null as LogRefusal | null,
    /** Bans that were looked at, and the milliseconds that each takes. */
    looked: 0,
    costMs: 0
  }
  const lines: string[] = []
  const batches: number[] = []
  const ledger = createTestLedger(UNTIL)
  const timers = manualSchedule()
  const handoff = createLogHandoff({
    log: {
      write(entries: readonly LogEntry[]) {
        if (state.refusal !== null) return refuse(state.refusal)
        lines.push(...entries.map(({ event, ip }) => `${event} ${ip}`))
        batches.push(entries.length)
        return ok({ renewed: state.renewed })
      },
      reopen() {},
      close() {}
    },
    outbox: ledger.outbox,
    *wanted() {
      for (const ban of ledger.wanted()) {
        state.looked += 1
        state.now += state.costMs
        yield ban
      }
    },
    instance: () => state.instance,
    now: () => state.now,
    schedule: timers.schedule
  })
  /** What is written until the next rest. */
  const written = async (): Promise<string[]> => {
    while ((await timers.peek()) === 0) await timers.next()
    return lines.splice(0)
  }
  return { state, ledger, timers, handoff, batches, written }
}

test('Changes are written once, in their order, and what is wanted already is written at the start.', async () => {
  const { ledger, timers, handoff, written } = setUp()
  ledger.accept('203.0.113.1')
  ledger.outbox.done('log', ledger.outbox.pending('log', 1))
  ledger.accept('203.0.113.2', '203.0.113.0/24')
  ledger.end('203.0.113.2')
  handoff.start()
  deepEqual(await written(), ['ban 203.0.113.0/24', 'unban 203.0.113.2', 'ban 203.0.113.1'])
  ledger.accept('2001:db8::1')
  handoff.kick()
  deepEqual(await written(), ['ban 2001:db8::1'])
  equal(await timers.next(), LOG_HANDOFF.lookMs)
  deepEqual(await written(), [])
  deepEqual(handoff.view(), { pending: 0, lastError: null })
  await handoff.stop()
})

test('A log that can not be written keeps the changes pending, says why, and takes them later.', async () => {
  const { state, ledger, timers, handoff, written } = setUp()
  state.refusal = 'disk-full'
  ledger.accept('203.0.113.1')
  handoff.start()
  await timers.peek()
  deepEqual(handoff.view(), { pending: 1, lastError: 'disk-full' })
  state.refusal = null
  await timers.next()
  deepEqual(await written(), ['ban 203.0.113.1'])
  deepEqual(handoff.view(), { pending: 0, lastError: null })
  await handoff.stop()
})

test('A ban is written again when its time has come, and neither earlier nor after its verdict.', async () => {
  const { state, ledger, timers, handoff, written } = setUp()
  ledger.accept('203.0.113.1', '203.0.113.2')
  handoff.start()
  await written()
  state.now += LOG_HANDOFF.renewSeconds * 1000 - 1
  await timers.next()
  deepEqual(await written(), [])
  ledger.end('203.0.113.2')
  state.now += LOG_HANDOFF.lookMs
  await timers.next()
  deepEqual(await written(), ['unban 203.0.113.2', 'ban 203.0.113.1'])
  state.now = UNTIL * 1000
  await timers.next()
  deepEqual(await written(), [])
  await handoff.stop()
})

test('Every ban is written again when fail2ban was started, and not while it is down.', async () => {
  const { state, ledger, timers, handoff, written } = setUp()
  ledger.accept('203.0.113.1')
  handoff.start()
  await written()
  for (const [instance, expected] of [
    [null, []],
    ['a', []],
    [null, []],
    ['b', ['ban 203.0.113.1']],
    ['b', []]
  ] as const) {
    state.instance = instance
    await timers.next()
    deepEqual(await written(), expected)
  }
  await handoff.stop()
})

test('When the file was exchanged, what fail2ban may not have read is written again, and nothing else.', async () => {
  const { state, ledger, timers, handoff, written } = setUp()
  ledger.accept('203.0.113.1')
  handoff.start()
  await written()
  state.now += LOG_HANDOFF.readMs + 1
  await timers.next()
  ledger.accept('203.0.113.2')
  handoff.kick()
  await written()
  state.now += 1000
  state.renewed = true
  await timers.next()
  deepEqual(await written(), ['ban 203.0.113.2'])
  await handoff.stop()
})

test('Many bans go in batches of the limit.', async () => {
  const { ledger, handoff, batches, written } = setUp()
  ledger.accept(...Array.from({ length: LOG_HANDOFF.batch + 1 }, (_, i) => `2001:db8::${(i + 1).toString(16)}`))
  handoff.start()
  equal((await written()).length, LOG_HANDOFF.batch + 1)
  deepEqual(
    batches.filter((count) => count > 0),
    [LOG_HANDOFF.batch, 1]
  )
  await handoff.stop()
})

test('All that is wanted is looked at in slices, and the longer that took the later again.', async () => {
  const { state, ledger, timers, handoff, written } = setUp()
  const count = 2 * LOG_HANDOFF.batch
  ledger.accept(...Array.from({ length: count }, (_, i) => `2001:db8::${(i + 1).toString(16)}`))
  handoff.start()
  await written()
  equal(state.looked, count)
  state.costMs = 1
  state.now += LOG_HANDOFF.lookMs
  for (const looked of [LOG_HANDOFF.batch, count]) {
    await timers.next()
    await timers.peek()
    equal(state.looked, count + looked)
  }
  await timers.next()
  equal(await timers.peek(), LOG_HANDOFF.lookMs)
  // Neither after the usual time nor for a new ban.
  for (let passed = 0; passed < count * LOG_HANDOFF.rest; passed += LOG_HANDOFF.lookMs) {
    equal(state.looked, 2 * count)
    ledger.accept('203.0.113.1')
    handoff.kick()
    deepEqual(await written(), ['ban 203.0.113.1'])
    state.now += LOG_HANDOFF.lookMs
  }
  await timers.next()
  deepEqual(await written(), [])
  equal(state.looked, 3 * count + 1)
  await handoff.stop()
})

test('A start of fail2ban during a walk, or a rest, writes everything again.', async () => {
  const { state, ledger, timers, handoff, written } = setUp()
  const count = 2 * LOG_HANDOFF.batch
  ledger.accept(...Array.from({ length: count }, (_, i) => `2001:db8::${(i + 1).toString(16)}`))
  handoff.start()
  await written()
  state.costMs = 1
  state.now += LOG_HANDOFF.lookMs
  await timers.next()
  state.instance = 'b'
  equal((await written()).length, count)
  state.instance = 'c'
  await timers.next()
  equal((await written()).length, count)
  await handoff.stop()
})
