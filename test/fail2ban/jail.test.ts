/** The shipped jail in a real fail2ban server, fed by the watched log. */
import { deepEqual, equal, match } from 'node:assert/strict'
import { copyFileSync, renameSync, rmSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { createWatchedLog, type LogEntry, type WatchedLog } from '../../src/fail2ban/watched-log.ts'
import { requires } from '../support/requirements.ts'
import { until } from '../support/until.ts'
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

test('Renaming, truncating and deleting the log loses no ban that is written afterwards.', { skip }, async (t) => {
  const { server, log, path, bans } = await feed(t)
  log.write([entry('203.0.113.1'), entry('203.0.113.2')])
  await bans('203.0.113.1', '203.0.113.2')
  // logrotate's create, with nobody else to create it.
  renameSync(path, `${path}.1`)
  log.write([entry('203.0.113.3')])
  await bans('203.0.113.1', '203.0.113.2', '203.0.113.3')
  // logrotate's copytruncate.
  copyFileSync(path, `${path}.2`)
  truncateSync(path)
  log.write([entry('203.0.113.4')])
  await bans('203.0.113.1', '203.0.113.2', '203.0.113.3', '203.0.113.4')
  rmSync(path)
  log.write([entry('203.0.113.5')])
  await bans('203.0.113.1', '203.0.113.2', '203.0.113.3', '203.0.113.4', '203.0.113.5')
  equal(/error/i.test(server.log()), false, server.log())
})

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
