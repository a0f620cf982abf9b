/** The shipped jail in a real fail2ban server, fed by the watched log. */
import { deepEqual, equal, match } from 'node:assert/strict'
import { copyFileSync, renameSync, rmSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { fail2banInstance } from '../../src/fail2ban/instance.ts'
import { createLogHandoff } from '../../src/fail2ban/log-handoff.ts'
import { createWatchedLog, type LogEntry, type WatchedLog } from '../../src/fail2ban/watched-log.ts'
import { requires } from '../support/requirements.ts'
import { until } from '../support/until.ts'
import { createTestLedger } from './ledger.ts'
import { realTime } from './schedule.ts'
import { prepareFail2ban, run, type Fail2banServer } from './server.ts'
import { installInto } from './shipped.ts'

const skip = requires({ commands: ['fail2ban-server', 'fail2ban-client'] })

function entry(ip: string, over: Partial<LogEntry> = {}): LogEntry {
  return { event: 'ban', ip, jail: 'sshd', until: 1763668800, score: 800_000, origins: 1, ...over }
}

interface Fed {
  readonly server: Fail2banServer
  readonly log: WatchedLog
  readonly path: string
  /** Waits until the jail bans exactly these. */
  bans(...ips: string[]): Promise<void>
}

async function feed(t: TestContext, { jails = '', namespace = '' } = {}): Promise<Fed> {
  const server = prepareFail2ban(t, { jails, ...(namespace !== '' && { namespace }) })
  await installInto(server.dir)
  const path = join(server.dir, 'log/bans.log')
  const log = createWatchedLog({ path, now: Date.now })
  equal(log.write([]).ok, true)
  t.after(() => log.close())
  await server.start('banmesh')
  return {
    server,
    log,
    path,
    async bans(...ips) {
      let last = ''
      const banned = async () => {
        last = (await server.client('get', 'banmesh', 'banip')).trim()
        return last.split(' ').sort().join(' ') === ips.toSorted().join(' ')
      }
      await until(banned, `bans of ${ips.join(' ')}`, 15_000).catch((error: unknown) => {
        throw new Error(`${String(error)}: ${last}\n${server.log()}`)
      })
    }
  }
}

test(
  'The shipped jail bans what the watched log bans, in both families, and lines older than findtime not.',
  { skip },
  async (t) => {
    const { server, log, bans, path } = await feed(t)
    log.write([
      entry('203.0.113.7'),
      entry('198.51.100.0/24'),
      entry('203.0.113.9', { event: 'unban' }),
      entry('2001:db8::7')
    ])
    await bans('203.0.113.7', '198.51.100.0/24', '2001:db8::7')
    // Written while fail2ban is away: read at its start, unless it is too old.
    await server.stop()
    log.write([entry('203.0.113.8')])
    const past = createWatchedLog({ path, now: () => Date.now() - 2 * 3_600_000 })
    past.write([entry('203.0.113.6')])
    past.close()
    log.write([entry('2001:db8:1::/48')])
    await server.start('banmesh')
    await bans('203.0.113.7', '198.51.100.0/24', '2001:db8::7', '203.0.113.8', '2001:db8:1::/48')
  }
)

for (const backend of ['polling', 'pyinotify']) {
  const needs = requires({
    commands: ['fail2ban-server', 'fail2ban-client'],
    ...(backend === 'pyinotify' && { python: ['pyinotify'] })
  })
  test(
    `The hand-off loses no ban when the log is renamed, cut short or deleted under it (${backend}).`,
    { skip: needs },
    async (t) => {
      const { server, log, path, bans } = await feed(t, { jails: `[banmesh]\nbackend = ${backend}\n` })
      const ledger = createTestLedger(Math.floor(Date.now() / 1000) + 3600)
      const handoff = createLogHandoff({
        log,
        outbox: ledger.outbox,
        wanted: ledger.wanted,
        instance: () => fail2banInstance(server.socket),
        now: Date.now,
        schedule: realTime
      })
      t.after(handoff.stop)
      handoff.start()
      const all: string[] = []
      const accept = async (ip: string): Promise<void> => {
        ledger.accept(ip)
        handoff.kick()
        all.push(ip)
        await bans(...all)
      }
      await accept('203.0.113.1')
      // logrotate's create, with nobody else to create it.
      renameSync(path, `${path}.1`)
      await accept('203.0.113.2')
      // logrotate's copytruncate; the next line is as long as what was in the file.
      copyFileSync(path, `${path}.2`)
      truncateSync(path)
      await accept('203.0.113.3')
      rmSync(path)
      await accept('203.0.113.4')
      match(server.log(), new RegExp(`uses (${backend}|poller)`))
    }
  )
}

test('A line that is written again makes the ban longer, without a second ban.', { skip }, async (t) => {
  const { server, log, bans } = await feed(t)
  log.write([entry('203.0.113.1')])
  await bans('203.0.113.1')
  const ban = /\t(.*) \+ (\d+) = /
  const [, since] = ban.exec(await server.client('get', 'banmesh', 'banip', '--with-time')) ?? []
  const longer = async () => {
    const [, sinceNow, seconds] = ban.exec(await server.client('get', 'banmesh', 'banip', '--with-time')) ?? []
    equal(sinceNow, since)
    log.write([entry('203.0.113.1')])
    return Number(seconds) > 3600
  }
  await until(longer, 'a longer ban')
  equal(server.log().match(/\] Ban 203/g)?.length, 1)
})

test('The jail obeys ignoreip, and does not feed itself if every jail is given the action.', { skip }, async (t) => {
  const { server, log, bans } = await feed(t, {
    jails: '[DEFAULT]\nignoreip = 203.0.113.1\naction = %(action_)s\n         banmesh[banmesh="/bin/false"]\n'
  })
  log.write([entry('203.0.113.1'), entry('203.0.113.2')])
  await bans('203.0.113.2')
  match(await server.client('get', 'banmesh', 'actions'), /:\nnothing\n$/)
})

test('Without any log fail2ban still starts, for its other jails are worth more than ours.', { skip }, async (t) => {
  const server = prepareFail2ban(t, { jails: '' })
  await installInto(server.dir)
  await server.start('banmesh')
  const status = await server.client('status', 'banmesh')
  match(status, new RegExp(`File list:\t${server.config}/filter.d/banmesh.conf\n`))
})

test(
  'The ban stands in the firewall, for all ports of both families.',
  {
    skip: requires({ root: true, commands: ['fail2ban-server', 'ip', 'nft'] })
  },
  async (t) => {
    const namespace = `bm-jail-${process.pid}`
    equal((await run('ip', ['netns', 'add', namespace])).code, 0)
    t.after(() => run('ip', ['netns', 'del', namespace]))
    const { log, bans } = await feed(t, { namespace, jails: '[DEFAULT]\nbanaction_allports = nftables-allports\n' })
    log.write([entry('203.0.113.7'), entry('2001:db8::7')])
    await bans('203.0.113.7', '2001:db8::7')
    const ruleset = async (): Promise<string> =>
      (await run('ip', ['netns', 'exec', namespace, 'nft', 'list', 'ruleset'])).stdout
    const elements = async () => {
      const rules = await ruleset()
      return rules.includes('elements = { 203.0.113.7 }') && rules.includes('elements = { 2001:db8::7 }')
    }
    await until(elements, 'both addresses in the sets')
    const rules = await ruleset()
    deepEqual(
      rules.match(/saddr @\S+ \w+/g),
      ['saddr @addr-set-banmesh reject', 'saddr @addr6-set-banmesh reject'].toSorted()
    )
    equal(/dport/.test(rules), false)
  }
)
