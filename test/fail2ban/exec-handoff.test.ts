/** The operator's command for each ban and each lift, with real programs. */
import { deepEqual, equal, ok as isTrue } from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { checkCommand, EXEC_LIMITS, fillCommand } from '../../src/fail2ban/exec-command.ts'
import { createExecHandoff, EXEC_HANDOFF } from '../../src/fail2ban/exec-handoff.ts'
import type { Handoff } from '../../src/fail2ban/outbox.ts'
import { until } from '../support/until.ts'
import { createTestLedger, subject, type TestLedger } from './ledger.ts'
import { manualSchedule, type ManualSchedule } from './schedule.ts'

const UNTIL = 4_000_000_000
const ENTRY = {
  subject: subject('203.0.113.7'),
  action: 'ban',
  until: UNTIL,
  jail: 'sshd',
  score: 640_000,
  origins: 2,
  sequence: 1
} as const

test('Placeholders are filled wherever they stand, and everything else is left as it is.', () => {
  const words = ['told', '{action}', '--ip={ip}', '{jail}:{until}:{score}:{ip}', '{', '}', '{}', '{IP}', '$(id)', '']
  deepEqual(fillCommand(words, ENTRY), [
    'told',
    'ban',
    '--ip=203.0.113.7',
    `sshd:${UNTIL}:64:203.0.113.7`,
    '{',
    '}',
    '{}',
    '{IP}',
    '$(id)',
    ''
  ])
})

test('A value is never looked at for placeholders again.', () => {
  deepEqual(fillCommand(['told', '{jail}{ip}'], { ...ENTRY, jail: '{ip}' }), ['told', '{ip}203.0.113.7'])
})

test('A command needs a program of its own, known placeholders, and keeps to its limits.', () => {
  const reason = (...words: string[]): string => {
    const checked = checkCommand(words)
    return checked.ok ? 'fine' : checked.reason
  }
  equal(reason('told', '{ip}', '{jail}', '{until}', '{score}', '{action}', '{', 'a{1,2}', '{X}'), 'fine')
  equal(reason(), 'empty')
  equal(reason('', 'x'), 'empty')
  equal(reason('/opt/{ip}'), 'placeholder-in-program')
  equal(reason('told', '{user}'), 'unknown-placeholder')
  equal(reason('told', 'a {ip} b {failures}'), 'unknown-placeholder')
  const words = (count: number): string[] => Array.from({ length: count }, () => 'x')
  equal(reason(...words(EXEC_LIMITS.words)), 'fine')
  equal(reason(...words(EXEC_LIMITS.words + 1)), 'too-long')
  equal(reason('told', 'x'.repeat(EXEC_LIMITS.wordLength)), 'fine')
  equal(reason('told', 'x'.repeat(EXEC_LIMITS.wordLength + 1)), 'too-long')
})

interface Hook {
  readonly dir: string
  readonly ledger: TestLedger
  readonly handoff: Handoff
  readonly timers: ManualSchedule
  /** What the program was called with, a line for each call. */
  calls(): string[]
  /** Lets the clock run and the hand-off work until it rests. */
  pass(seconds: number): Promise<void>
}

/** A hand-off to a shell script, which has its folder in $dir and its words in "$@". */
function hook(t: TestContext, script: string, over: { concurrency?: number; timeoutMs?: number } = {}): Hook {
  const dir = mkdtempSync(join(tmpdir(), 'banmesh-exec-'))
  t.after(() => rmSync(dir, { recursive: true, force: true }))
  const program = join(dir, 'told')
  writeFileSync(program, `#!/bin/sh\ndir=${dir}\necho "$*" >>$dir/calls\n${script}\n`, { mode: 0o755 })
  const ledger = createTestLedger(UNTIL)
  const timers = manualSchedule()
  let ahead = 0
  const handoff = createExecHandoff({
    command: [program, '{action}', '{ip}', '{jail}', '{until}', '{score}'],
    concurrency: 4,
    timeoutMs: 20_000,
    outbox: ledger.outbox,
    now: () => Date.now() + ahead,
    schedule: timers.schedule,
    ...over
  })
  t.after(handoff.stop)
  return {
    dir,
    ledger,
    handoff,
    timers,
    calls: () => (existsSync(join(dir, 'calls')) ? readFileSync(join(dir, 'calls'), 'utf8').trimEnd().split('\n') : []),
    async pass(seconds) {
      ahead += seconds * 1000
      if (timers.open() === 0) handoff.start()
      else await timers.next()
      while ((await timers.peek()) === 0) await timers.next()
    }
  }
}

test('Each ban and each lift is a call, of an address or a CIDR, and then no more.', async (t) => {
  const { ledger, handoff, calls, pass } = hook(t, '')
  ledger.accept('203.0.113.7', '2001:db8:1::/48')
  await pass(0)
  deepEqual(calls().sort(), [`ban 2001:db8:1::/48 sshd ${UNTIL} 80`, `ban 203.0.113.7 sshd ${UNTIL} 80`])
  ledger.end('203.0.113.7')
  await pass(0)
  await pass(3600)
  deepEqual(calls().slice(2), [`unban 203.0.113.7 sshd ${UNTIL} 80`])
  deepEqual(handoff.view(), { pending: 0, lastError: null })
})

test('A call that fails is made again until it succeeds, later each time, and others go on.', async (t) => {
  const { ledger, handoff, calls, pass, timers, dir } = hook(t, '[ $2 != 203.0.113.1 ] || [ -e $dir/fine ]')
  ledger.accept('203.0.113.1', '203.0.113.2', '203.0.113.3')
  await pass(0)
  deepEqual(handoff.view(), { pending: 1, lastError: 'failed' })
  equal(calls().length, 3)
  const first = await timers.peek()
  isTrue(first > 0 && first <= 500, String(first))
  await pass(1)
  isTrue((await timers.peek()) > 500)
  // Not before its time, though there are news.
  ledger.accept('203.0.113.4')
  await pass(0)
  equal(calls().filter((call) => call.includes('203.0.113.1')).length, 2)
  equal(calls().at(-1)!.split(' ')[1], '203.0.113.4')
  deepEqual(handoff.view(), { pending: 1, lastError: 'failed' })
  writeFileSync(join(dir, 'fine'), '')
  await pass(60)
  deepEqual(handoff.view(), { pending: 0, lastError: null })
})

test('A newer word takes the place of one that fails.', async (t) => {
  const { ledger, handoff, calls, pass } = hook(t, '[ $1 = unban ]')
  ledger.accept('203.0.113.1')
  await pass(0)
  ledger.end('203.0.113.1')
  await pass(0)
  deepEqual(
    calls().map((call) => call.split(' ')[0]),
    ['ban', 'unban']
  )
  deepEqual(handoff.view(), { pending: 0, lastError: null })
})

test('A ban whose time has passed is not told of.', async (t) => {
  const { ledger, handoff, calls, pass } = hook(t, '')
  ledger.acceptUntil(Math.floor(Date.now() / 1000) - 1, '203.0.113.1')
  await pass(0)
  deepEqual([calls(), handoff.view()], [[], { pending: 0, lastError: null }])
})

test('Not more than so many calls run at a time.', async (t) => {
  const script = 'mkdir $dir/run$$; ls -d $dir/run* | wc -l >>$dir/most; sleep 0.05; rmdir $dir/run$$'
  const { ledger, handoff, pass, dir } = hook(t, script, { concurrency: 3 })
  ledger.accept(...Array.from({ length: 3 * EXEC_HANDOFF.round + 5 }, (_, i) => `203.0.113.${i + 1}`))
  await pass(0)
  deepEqual(handoff.view(), { pending: 0, lastError: null })
  const most = readFileSync(join(dir, 'most'), 'utf8').trim().split('\n').map(Number)
  equal(most.length, 3 * EXEC_HANDOFF.round + 5)
  equal(Math.max(...most), 3)
})

test('What takes too long is killed with all that it has started.', async (t) => {
  const { ledger, handoff, pass, dir } = hook(t, 'sleep 600 & echo $! >$dir/child; wait', { timeoutMs: 300 })
  ledger.accept('203.0.113.1')
  await pass(0)
  deepEqual(handoff.view(), { pending: 1, lastError: 'timeout' })
  const child = readFileSync(join(dir, 'child'), 'utf8').trim()
  await until(
    () => !existsSync(`/proc/${child}`) || readFileSync(`/proc/${child}/stat`, 'utf8').includes(') Z '),
    'its end'
  )
})

test('A stop ends what is under way, and keeps it for the next start.', async (t) => {
  const { ledger, handoff, dir, calls } = hook(t, 'echo $$ >$dir/pid; sleep 600')
  ledger.accept('203.0.113.1', '203.0.113.2')
  handoff.start()
  await until(() => existsSync(join(dir, 'pid')) && calls().length === 2, 'the calls')
  await handoff.stop()
  deepEqual(handoff.view(), { pending: 2, lastError: null })
})

test('No shell has a look at anything.', async (t) => {
  const { dir, ledger } = hook(t, '')
  const timers = manualSchedule()
  const words = ['$(touch PWNED)', '; touch PWNED', '`touch PWNED`', '> PWNED', "'", '*']
  const handoff = createExecHandoff({
    command: ['/bin/sh', '-c', 'cd "$0" && printf "%s\\n" "$@" >words', dir, ...words, '{ip}'],
    concurrency: 1,
    timeoutMs: 10_000,
    outbox: ledger.outbox,
    now: Date.now,
    schedule: timers.schedule
  })
  t.after(handoff.stop)
  ledger.accept('203.0.113.1')
  handoff.start()
  await timers.peek()
  await timers.next()
  await timers.peek()
  deepEqual(readFileSync(join(dir, 'words'), 'utf8').trimEnd().split('\n'), [...words, '203.0.113.1'])
  equal(readdirSync(dir).includes('PWNED'), false)
})

test('A program that is not there is an error that is shown.', async (t) => {
  const ledger = createTestLedger(UNTIL)
  const timers = manualSchedule()
  const handoff = createExecHandoff({
    command: ['/nonexistent/told', '{ip}'],
    concurrency: 1,
    timeoutMs: 10_000,
    outbox: ledger.outbox,
    now: Date.now,
    schedule: timers.schedule
  })
  t.after(handoff.stop)
  ledger.accept('203.0.113.1')
  handoff.start()
  await timers.peek()
  deepEqual(handoff.view(), { pending: 1, lastError: 'no-program' })
})
