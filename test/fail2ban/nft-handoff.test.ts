/** The hand-off by nftables in a namespace of its own: what the kernel does with packets, not what a list says. */
import { deepEqual, equal, match } from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { parseListing } from '../../src/fail2ban/nft-listing.ts'
import { createNftHandoff, NFT_HANDOFF, removeTable } from '../../src/fail2ban/nft-handoff.ts'
import { tableText, type NftBlock } from '../../src/fail2ban/nft-ruleset.ts'
import { createNft } from '../../src/fail2ban/nft.ts'
import type { Handoff } from '../../src/fail2ban/outbox.ts'
import { requires } from '../support/requirements.ts'
import { until } from '../support/until.ts'
import { firewalled, type Firewalled } from './firewalled.ts'
import { createTestLedger, subject, type TestLedger } from './ledger.ts'
import { manualSchedule } from './schedule.ts'

const skip = requires({ root: true, commands: ['ip', 'nft'] })
const DAY = 86_400

interface Wall extends Firewalled {
  readonly ledger: TestLedger
  readonly handoff: Handoff
  readonly restored: (number | 'table')[]
  /** Lets the clock run and the hand-off work until it rests, or fails. */
  pass(seconds: number): Promise<void>
  /** Seconds that each element has left, to the next ten. */
  elements(): Promise<Record<string, number>>
}

async function setUp(t: TestContext, block: NftBlock = 'reject', compareMs?: number): Promise<Wall> {
  const wall = await firewalled(t)
  const ledger = createTestLedger(Math.floor(Date.now() / 1000) + DAY)
  const timers = manualSchedule()
  const restored: (number | 'table')[] = []
  let ahead = 0
  const handoff = createNftHandoff({
    nft: createNft({ command: wall.nft }),
    block,
    outbox: ledger.outbox,
    wanted: ledger.wanted,
    onRestored: (what) => restored.push(what),
    now: () => Date.now() + ahead,
    schedule: timers.schedule,
    ...(compareMs !== undefined && { compareMs })
  })
  t.after(handoff.stop)
  const rest = async (): Promise<void> => {
    while ((await timers.peek()) === 0) await timers.next()
  }
  handoff.start()
  await rest()
  return {
    ...wall,
    ledger,
    handoff,
    restored,
    async pass(seconds) {
      ahead += seconds * 1000
      await timers.next()
      await rest()
    },
    async elements() {
      const listing = parseListing(await wall.run('nft', '-j', 'list', 'table', 'inet', 'banmesh'))!
      const entries = [...listing.elements].map(([ip, seconds]) => [ip, Math.round(seconds / 10) * 10] as const)
      return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)))
    }
  }
}

function read(path: string): string {
  return readFileSync(path, 'utf8')
}

function isAlive(pid: number): boolean {
  return existsSync(`/proc/${pid}`)
}

const LOOK = NFT_HANDOFF.lookMs / 1000 + 1
const COMPARE = NFT_HANDOFF.compareMs / 1000 + 1

test('What is banned is refused, in both families, and what is lifted is let in again.', { skip }, async (t) => {
  const { ledger, handoff, connect, pass } = await setUp(t)
  ledger.accept('203.0.113.7', '2001:db8::7', '2001:db8:1::/48')
  equal(await connect('203.0.113.7'), 'open')
  await pass(0)
  deepEqual(handoff.view(), { pending: 0, lastError: null })
  equal(await connect('203.0.113.7'), 'refused')
  equal(await connect('203.0.113.8'), 'open')
  equal(await connect('2001:db8::7'), 'refused')
  equal(await connect('2001:db8::8'), 'open')
  equal(await connect('2001:db8:1:2::3'), 'refused')
  ledger.end('203.0.113.7', '2001:db8:1::/48')
  await pass(0)
  equal(await connect('203.0.113.7'), 'open')
  equal(await connect('2001:db8::7'), 'refused')
  equal(await connect('2001:db8:1:2::3'), 'open')
})

test('With `drop` nobody is told.', { skip }, async (t) => {
  const { ledger, connect, pass } = await setUp(t, 'drop')
  ledger.accept('203.0.113.7')
  await pass(0)
  equal(await connect('203.0.113.7'), 'dropped')
  equal(await connect('203.0.113.8'), 'open')
})

test('A CIDR, one in it and an address in both come and go by themselves, in any order.', { skip }, async (t) => {
  const { ledger, connect, pass } = await setUp(t)
  const all = ['203.0.113.0/24', '203.0.113.0/28', '203.0.113.7']
  const inside = { '203.0.113.0/24': '203.0.113.99', '203.0.113.0/28': '203.0.113.9', '203.0.113.7': '203.0.113.7' }
  for (const order of [
    [0, 1, 2],
    [2, 1, 0],
    [1, 2, 0]
  ]) {
    const banned = new Set<string>()
    const check = async (): Promise<void> => {
      const blocked = (address: string): boolean =>
        banned.has('203.0.113.0/24') ||
        (banned.has('203.0.113.0/28') && address !== '203.0.113.99') ||
        (banned.has('203.0.113.7') && address === '203.0.113.7')
      for (const address of Object.values(inside)) {
        equal(await connect(address), blocked(address) ? 'refused' : 'open', `${address} with ${[...banned].join(' ')}`)
      }
    }
    for (const index of order) {
      ledger.accept(all[index]!)
      banned.add(all[index]!)
      await pass(0)
      await check()
    }
    for (const index of order) {
      ledger.end(all[index]!)
      banned.delete(all[index]!)
      await pass(0)
      await check()
    }
  }
})

test('An element ends with its verdict, also if that is moved to sooner or later.', { skip }, async (t) => {
  const { ledger, connect, elements, pass } = await setUp(t)
  const nowSeconds = Math.floor(Date.now() / 1000)
  ledger.acceptUntil(nowSeconds + 600, '203.0.113.1', '203.0.113.2', '203.0.113.3')
  await pass(0)
  deepEqual(await elements(), { '203.0.113.1': 600, '203.0.113.2': 600, '203.0.113.3': 600 })
  ledger.acceptUntil(nowSeconds + 7200, '203.0.113.1')
  ledger.acceptUntil(nowSeconds + 2, '203.0.113.2')
  ledger.acceptUntil(nowSeconds - 1, '203.0.113.3')
  await pass(0)
  deepEqual(await elements(), { '203.0.113.1': 7200, '203.0.113.2': 0 })
  equal(await connect('203.0.113.2'), 'refused')
  equal(await connect('203.0.113.3'), 'open')
  // Nobody lifts it: the kernel does.
  await new Promise((resolve) => setTimeout(resolve, (nowSeconds + 3) * 1000 - Date.now()))
  equal(await connect('203.0.113.2'), 'open')
})

test('After a restart or a reboot the table has exactly what is wanted, in one step.', { skip }, async (t) => {
  const wall = await setUp(t)
  const { ledger, handoff, connect, elements, pass, nft } = wall
  ledger.accept('203.0.113.1', '203.0.113.0/28')
  await pass(0)
  await handoff.stop()
  equal(await connect('203.0.113.1'), 'refused', 'a stop is no amnesty')
  ledger.end('203.0.113.0/28')
  ledger.accept('2001:db8::1')
  const again = createNftHandoff({
    nft: createNft({ command: nft }),
    block: 'reject',
    outbox: ledger.outbox,
    wanted: ledger.wanted,
    now: Date.now,
    schedule: manualSchedule().schedule
  })
  t.after(again.stop)
  again.start()
  await again.stop()
  deepEqual(again.view(), { pending: 0, lastError: null })
  deepEqual(Object.keys(await elements()), ['2001:db8::1', '203.0.113.1'])
  equal(await connect('203.0.113.2'), 'open')
})

test('A flushed ruleset, a changed rule and a rule too many are noticed, and made good.', { skip }, async (t) => {
  const { ledger, connect, pass, run, restored } = await setUp(t)
  ledger.accept('203.0.113.1')
  await pass(LOOK)
  for (const damage of [
    ['flush', 'ruleset'],
    ['flush', 'chain', 'inet', 'banmesh', 'refuse'],
    ['insert', 'rule', 'inet', 'banmesh', 'incoming', 'accept'],
    ['delete', 'table', 'inet', 'banmesh']
  ]) {
    await run('nft', ...damage)
    equal(await connect('203.0.113.1'), 'open', damage.join(' '))
    restored.length = 0
    await pass(LOOK)
    deepEqual(restored, ['table'], damage.join(' '))
    equal(await connect('203.0.113.1'), 'refused', damage.join(' '))
  }
  restored.length = 0
  await pass(LOOK)
  deepEqual(restored, [])
})

test('A ban that finds no table makes it, with everything in it.', { skip }, async (t) => {
  const { ledger, connect, pass, run } = await setUp(t)
  ledger.accept('203.0.113.1')
  await pass(0)
  await run('nft', 'flush', 'ruleset')
  ledger.accept('203.0.113.2')
  await pass(0)
  equal(await connect('203.0.113.1'), 'refused')
  equal(await connect('203.0.113.2'), 'refused')
})

test('What is as it should be is left alone.', { skip }, async (t) => {
  const { ledger, pass, restored } = await setUp(t, 'reject', 1000)
  ledger.accept('203.0.113.1', '203.0.113.0/24', '2001:db8::1')
  for (let i = 0; i < 3; i++) await pass(2)
  deepEqual(restored, [])
})

test('Elements that somebody has taken out, put in or left with another time are put right.', { skip }, async (t) => {
  const { ledger, connect, elements, pass, run, restored } = await setUp(t)
  ledger.accept('203.0.113.1', '203.0.113.2', '203.0.113.3')
  await pass(0)
  await run('nft', 'delete', 'element', 'inet', 'banmesh', 'ipv4_32', '{ 203.0.113.1, 203.0.113.2 }')
  await run('nft', 'add', 'element', 'inet', 'banmesh', 'ipv4_32', '{ 203.0.113.2 timeout 100s, 203.0.113.9 }')
  await pass(COMPARE)
  // The hand-off's clock has gone ahead of the kernel's.
  deepEqual(
    Object.values(await elements()),
    [1, 2, 3].map(() => DAY - Math.round(COMPARE / 10) * 10)
  )
  deepEqual(restored, [4])
  equal(await connect('203.0.113.1'), 'refused')
  equal(await connect('203.0.113.9'), 'open')
})

test('The table is gone when it is removed, and removing it again is fine.', { skip }, async (t) => {
  const { ledger, handoff, connect, pass, nft, run } = await setUp(t)
  ledger.accept('203.0.113.1')
  await pass(0)
  await handoff.stop()
  await run('nft', 'add', 'table', 'inet', 'other')
  for (let i = 0; i < 2; i++) deepEqual(await removeTable(createNft({ command: nft })), { ok: true, value: undefined })
  equal(await connect('203.0.113.1'), 'open')
  equal((await run('nft', 'list', 'tables')).trim(), 'table inet other')
})

test('20,000 bans: as news, all at once, and compared.', { skip }, async (t) => {
  const { ledger, handoff, connect, pass, run, restored } = await setUp(t, 'reject', 1000)
  const many = Array.from({ length: 20_000 }, (_, i) => `5.${i >> 16}.${(i >> 8) & 255}.${i & 255}`)
  ledger.accept(...many, '203.0.113.1')
  let startedAt = performance.now()
  await pass(0)
  t.diagnostic(`as news, ${NFT_HANDOFF.batch} at a time: ${Math.round(performance.now() - startedAt)} ms`)
  deepEqual(handoff.view(), { pending: 0, lastError: null })
  equal(await connect('203.0.113.1'), 'refused')
  await run('nft', 'flush', 'ruleset')
  startedAt = performance.now()
  ledger.accept('203.0.113.2')
  await pass(0)
  t.diagnostic(`the whole table: ${Math.round(performance.now() - startedAt)} ms`)
  equal(await connect('203.0.113.1'), 'refused')
  startedAt = performance.now()
  await pass(2)
  t.diagnostic(`compared: ${Math.round(performance.now() - startedAt)} ms`)
  deepEqual(restored, ['table'])
  ledger.accept('203.0.113.3')
  startedAt = performance.now()
  await pass(0)
  t.diagnostic(`one more: ${Math.round(performance.now() - startedAt)} ms`)
  equal(await connect('203.0.113.3'), 'refused')
})

test('A program that is not there, may not, fails or hangs is an error that is shown.', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'banmesh-nft-'))
  t.after(() => rmSync(dir, { recursive: true }))
  let count = 0
  const fake = (script: string, timeoutMs = 10_000) => {
    const path = join(dir, `nft${++count}`)
    writeFileSync(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 })
    return createNft({ command: [path], timeoutMs })
  }
  const refused = (reason: string) => ({ ok: false, reason })
  const denied = 'cat >/dev/null; echo "Error: Could not process rule: Operation not permitted" >&2; exit 1'
  for (const [nft, reason] of [
    [createNft({ command: ['/nonexistent/nft'] }), 'no-nft'],
    [fake(denied), 'needs-cap-net-admin'],
    [fake('echo "Error: No such file or directory" >&2; exit 1'), 'missing'],
    [fake('exit 3'), 'failed'],
    [fake('kill -9 $$'), 'failed'],
    [fake('exec sleep 60', 200), 'timeout']
  ] as const) {
    deepEqual(await nft.run('list ruleset\n'), refused(reason))
    deepEqual(await nft.list('list', 'ruleset'), refused(reason), reason)
  }
  const ledger = createTestLedger(Math.floor(Date.now() / 1000) + DAY)
  const timers = manualSchedule()
  const handoff = createNftHandoff({
    nft: fake(denied),
    block: 'reject',
    outbox: ledger.outbox,
    wanted: ledger.wanted,
    now: Date.now,
    schedule: timers.schedule
  })
  t.after(handoff.stop)
  ledger.accept('203.0.113.1')
  handoff.start()
  await timers.peek()
  deepEqual(handoff.view(), { pending: 1, lastError: 'needs-cap-net-admin' })
})

test('The process that waits for its commands ends when it is not needed, and another takes its place.', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'banmesh-nft-'))
  t.after(() => rmSync(dir, { recursive: true }))
  const script = `#!/bin/sh\necho $$ >${dir}/waiting\ncat >>${dir}/commands\nrm -f ${dir}/waiting\n`
  writeFileSync(join(dir, 'nft'), script, { mode: 0o755 })
  const nft = createNft({ command: [join(dir, 'nft')] })
  const waiting = (): string | null => (existsSync(join(dir, 'waiting')) ? read(join(dir, 'waiting')) : null)
  nft.start()
  const first = await until(waiting, 'the waiting process')
  process.kill(Number(first), 'SIGKILL')
  await until(() => !isAlive(Number(first)), 'its end')
  deepEqual(await nft.run('one\n'), { ok: true, value: undefined })
  deepEqual(await nft.run('two\n'), { ok: true, value: undefined })
  equal(read(join(dir, 'commands')), 'one\ntwo\n')
  await until(waiting, 'the next one')
  nft.stop()
  await until(() => waiting() === null, 'its end')
})

test('Nobody but root, and who has CAP_NET_ADMIN, may; and the reason says so.', { skip }, async (t) => {
  const { nft } = await firewalled(t)
  const asNobody = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups'] as const
  const inside = nft.slice(0, -1) as [string, ...string[]]
  const text = tableText([{ subject: subject('203.0.113.1'), seconds: 60 }], 'reject')
  const plain = createNft({ command: [...inside, ...asNobody, 'nft'] })
  deepEqual(await plain.run(text), { ok: false, reason: 'needs-cap-net-admin' })
  deepEqual(await plain.list('list', 'ruleset'), { ok: false, reason: 'needs-cap-net-admin' })
  // As systemd's AmbientCapabilities does it.
  const capable = ['--inh-caps', '+net_admin', '--ambient-caps', '+net_admin', 'nft'] as const
  const able = createNft({ command: [...inside, ...asNobody, ...capable] })
  deepEqual(await able.run(text), { ok: true, value: undefined })
  const listed = await able.list('list', 'ruleset')
  match(listed.ok ? listed.value : listed.reason, /203\.0\.113\.1 timeout 1m/)
})
