/** The hand-off by fail2ban-client against a real server: both agree, whatever somebody does to fail2ban. */
import { deepEqual, equal } from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { test, type TestContext } from 'node:test'
import { CLIENT_HANDOFF, createClientHandoff } from '../../src/fail2ban/client-handoff.ts'
import { createFail2banClient, type Fail2banClient } from '../../src/fail2ban/client.ts'
import { ok, refuse } from '../../src/core/result.ts'
import { fail2banInstance } from '../../src/fail2ban/instance.ts'
import type { Handoff } from '../../src/fail2ban/outbox.ts'
import { VETO_LIMIT } from '../../src/fail2ban/reconcile.ts'
import { requires } from '../support/requirements.ts'
import { until } from '../support/until.ts'
import { createTestLedger, type TestLedger } from './ledger.ts'
import { manualSchedule, type ManualSchedule } from './schedule.ts'
import { prepareFail2ban, type Fail2banServer } from './server.ts'

const skip = requires({ commands: ['fail2ban-server', 'fail2ban-client'] })

interface Mesh {
  readonly server: Fail2banServer
  readonly ledger: TestLedger
  readonly handoff: Handoff
  readonly timers: ManualSchedule
  readonly vetoes: string[]
  readonly restored: number[]
  /** Lets the clock run and the hand-off work until it rests, or fails. */
  pass(seconds: number): Promise<void>
  /** What the jail bans, sorted. */
  banned(): Promise<string[]>
}

async function setUp(t: TestContext, options = ''): Promise<Mesh> {
  const server = prepareFail2ban(t, {
    jails: `[mesh]\nenabled = true\nfilter = sshd\nlogpath = /dev/null\nbantime = 1h\n${options}`
  })
  await server.start('mesh')
  let ahead = 0
  const ledger = createTestLedger(Math.floor(Date.now() / 1000) + 86_400)
  const timers = manualSchedule()
  const vetoes: string[] = []
  const restored: number[] = []
  const handoff = createClientHandoff({
    client: createFail2banClient({ socket: server.socket }),
    jail: 'mesh',
    target: 'fail2ban',
    outbox: ledger.outbox,
    wanted: ledger.wanted,
    instance: () => fail2banInstance(server.socket),
    onVeto(subjects) {
      vetoes.push(...subjects)
      // As the daemon does: the verdict is not wanted any more.
      ledger.end(...subjects)
    },
    onRestored: (count) => restored.push(count),
    now: () => Date.now() + ahead,
    schedule: timers.schedule
  })
  t.after(handoff.stop)
  handoff.start()
  const rest = async (): Promise<void> => {
    while ((await timers.peek()) === 0) await timers.next()
  }
  await rest()
  return {
    server,
    ledger,
    handoff,
    timers,
    vetoes,
    restored,
    async pass(seconds) {
      ahead += seconds * 1000
      await timers.next()
      await rest()
    },
    async banned() {
      return (await server.client('get', 'mesh', 'banip'))
        .trim()
        .split(' ')
        .filter((ip) => ip !== '')
        .sort()
    }
  }
}

/** Beyond the next comparison. */
const MINUTE = CLIENT_HANDOFF.compareMs / 1000 + 1

test('Accepted verdicts are banned, ended ones are not, and what somebody else banned stays.', { skip }, async (t) => {
  const { server, ledger, handoff, banned, pass, vetoes } = await setUp(t)
  await server.client('set', 'mesh', 'banip', '192.0.2.1')
  ledger.accept('203.0.113.1', '203.0.113.0/24', '2001:db8::1', '2001:db8:1::/48')
  handoff.kick()
  await pass(0)
  deepEqual(handoff.view(), { pending: 0, lastError: null })
  deepEqual(await banned(), ['192.0.2.1', '2001:db8:1::/48', '2001:db8::1', '203.0.113.0/24', '203.0.113.1'])
  ledger.end('203.0.113.1', '2001:db8:1::/48')
  await pass(0)
  await pass(MINUTE)
  deepEqual(await banned(), ['192.0.2.1', '2001:db8::1', '203.0.113.0/24'])
  deepEqual(vetoes, [])
})

test(
  "Somebody's unban in the mesh jail is a veto, also if news about the address come in between.",
  { skip },
  async (t) => {
    const { server, ledger, banned, pass, vetoes, restored } = await setUp(t)
    ledger.accept('203.0.113.1', '203.0.113.2')
    await pass(0)
    await server.client('set', 'mesh', 'unbanip', '203.0.113.1')
    ledger.accept('203.0.113.1')
    await pass(0)
    await pass(MINUTE)
    deepEqual([vetoes, restored, await banned()], [['203.0.113.1'], [], ['203.0.113.2']])
    await pass(MINUTE)
    deepEqual(await banned(), ['203.0.113.2'])
    // The veto was taken back.
    ledger.accept('203.0.113.1')
    await pass(0)
    deepEqual(await banned(), ['203.0.113.1', '203.0.113.2'])
  }
)

test(
  'fail2ban away, restarted, or reinstalled with an empty database: made good when it is back, and no veto.',
  { skip },
  async (t) => {
    const { server, ledger, handoff, banned, pass, vetoes, restored } = await setUp(t)
    ledger.accept('203.0.113.1', '203.0.113.2')
    await pass(0)
    await server.stop()
    ledger.accept('203.0.113.3')
    ledger.end('203.0.113.2')
    await pass(0)
    deepEqual(handoff.view(), { pending: 2, lastError: 'unreachable' })
    await server.start('mesh')
    await pass(0)
    deepEqual(handoff.view(), { pending: 0, lastError: null })
    deepEqual(await banned(), ['203.0.113.1', '203.0.113.3'])
    await server.stop()
    server.dropDatabase()
    await server.start('mesh')
    deepEqual(await banned(), [])
    // Noticed by the socket, before the next comparison is due.
    await pass(CLIENT_HANDOFF.lookMs / 1000)
    deepEqual([vetoes, restored, await banned()], [[], [2], ['203.0.113.1', '203.0.113.3']])
  }
)

test('A jail that was restarted without some of its bans gets them back, and no veto.', { skip }, async (t) => {
  const { server, ledger, banned, pass, vetoes, restored } = await setUp(t)
  ledger.accept('203.0.113.1', '203.0.113.2')
  await pass(0)
  // As if the first one had been made longer since, which the database does not know, and had ended there.
  const database = new DatabaseSync(server.database)
  for (const table of ['bans', 'bips']) {
    equal(database.prepare(`DELETE FROM ${table} WHERE ip = ?`).run('203.0.113.1').changes, 1)
  }
  database.close()
  await server.client('reload', '--restart', 'mesh')
  const restoredOne = async () => (await banned()).join(' ') === '203.0.113.2'
  await until(restoredOne, 'the restored ban')
  await pass(MINUTE)
  deepEqual([vetoes, restored, await banned()], [[], [1], ['203.0.113.1', '203.0.113.2']])
})

test('unban --all of many is no judgement on each: they are banned again.', { skip }, async (t) => {
  const { server, ledger, banned, pass, vetoes, restored } = await setUp(t)
  const many = Array.from({ length: VETO_LIMIT + 1 }, (_, i) => `203.0.113.${i + 1}`)
  ledger.accept(...many)
  await pass(0)
  await server.client('unban', '--all')
  deepEqual(await banned(), [])
  await pass(MINUTE)
  deepEqual([vetoes, restored, (await banned()).length], [[], [many.length], many.length])
})

test(
  'A lifted CIDR that takes along the addresses in it vetoes none of them: they are banned again at once.',
  { skip },
  async (t) => {
    const { server, ledger, banned, pass, vetoes, restored } = await setUp(t)
    ledger.accept('203.0.113.0/24', '203.0.113.1', '198.51.100.1')
    await pass(0)
    await server.client('set', 'mesh', 'unbanip', '203.0.113.0/24')
    ledger.end('203.0.113.0/24')
    await pass(0)
    await pass(0)
    deepEqual([vetoes, restored, await banned()], [[], [1], ['198.51.100.1', '203.0.113.1']])
  }
)

test('What the jail ignores is not banned by command either, also when it is ignored later.', { skip }, async (t) => {
  const { server, ledger, handoff, banned, pass, vetoes } = await setUp(t, 'ignoreip = 203.0.113.0/25\n')
  ledger.accept('203.0.113.1', '203.0.113.200', '203.0.113.0/24')
  await pass(0)
  deepEqual(handoff.view(), { pending: 0, lastError: null })
  deepEqual(await banned(), ['203.0.113.200'])
  await server.client('set', 'mesh', 'addignoreip', '203.0.113.200')
  await pass(MINUTE)
  deepEqual([vetoes, await banned()], [[], []])
})

test('A ban outlasts the ban time of the jail while its verdict lasts, and is never away.', { skip }, async (t) => {
  const { server, ledger, banned, pass, vetoes, restored } = await setUp(t)
  ledger.accept('203.0.113.1')
  await pass(0)
  const end = async (): Promise<number> => {
    const client = createFail2banClient({ socket: server.socket })
    const bans = await client.banned('mesh')
    return bans.ok ? ([...bans.value.values()][0]?.until ?? 0) : 0
  }
  const first = await end()
  await pass(MINUTE)
  equal(await end(), first)
  // The hand-off's clock is in the second half; fail2ban's own is not, and gives the whole time anew.
  await server.client('set', 'mesh', 'bantime', '2h')
  await pass(3600)
  await pass(MINUTE)
  equal((await end()) > first + 3000, true)
  deepEqual([vetoes, restored, await banned()], [[], [], ['203.0.113.1']])
})

test(
  'An unknown jail is an error that is shown, and others may go on; it is taken up when it is there.',
  { skip },
  async (t) => {
    const { server, ledger, handoff, banned, pass } = await setUp(t)
    await server.client('stop', 'mesh')
    ledger.accept('203.0.113.1')
    await pass(0)
    deepEqual(handoff.view(), { pending: 1, lastError: 'unknown-jail' })
    await server.client('reload', '--if-exists', 'mesh')
    await pass(0)
    deepEqual(handoff.view(), { pending: 0, lastError: null })
    deepEqual(await banned(), ['203.0.113.1'])
  }
)

test('A query that fails vetoes nothing and lifts nothing, whichever it is (bug 32).', async (t) => {
  const ledger = createTestLedger(Math.floor(Date.now() / 1000) + 86_400)
  const timers = manualSchedule()
  const lifted: string[] = []
  const vetoes: string[] = []
  let failing = ''
  let ahead = 0
  let everBanned = 0
  const listed = new Map<string, { since: number; until: number }>()
  const query = (name: string, value: unknown) => async () => (failing === name ? refuse('failed') : ok(value))
  const client = {
    ban: async (_jail: string, subjects: readonly string[]) => {
      for (const subject of subjects) listed.set(subject, { since: 0, until: 0 })
      everBanned += subjects.length
      return ok(subjects.length)
    },
    unban: async (_jail: string, subjects: readonly string[]) => {
      lifted.push(...subjects)
      return ok(subjects.length)
    },
    banned: query('banned', listed),
    everBanned: async () => (failing === 'everBanned' ? refuse('failed') : ok(everBanned)),
    banTime: query('banTime', 3600),
    ignored: query('ignored', [])
  } as unknown as Fail2banClient
  const handoff = createClientHandoff({
    client,
    jail: 'mesh',
    target: 'fail2ban',
    outbox: ledger.outbox,
    wanted: ledger.wanted,
    instance: () => null,
    onVeto: (subjects) => vetoes.push(...subjects),
    now: () => Date.now() + ahead,
    schedule: timers.schedule
  })
  t.after(handoff.stop)
  ledger.accept('203.0.113.1')
  handoff.start()
  await timers.next()
  await timers.peek()
  listed.clear()
  for (const name of ['banned', 'everBanned', 'banTime', 'ignored']) {
    failing = name
    ahead += MINUTE * 1000
    await timers.next()
    await timers.peek()
    deepEqual([handoff.view().lastError, vetoes, lifted], ['failed', [], []], name)
  }
  failing = ''
  await timers.next()
  await timers.peek()
  deepEqual([handoff.view().lastError, vetoes, lifted], [null, ['203.0.113.1'], []])
})
