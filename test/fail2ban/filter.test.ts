import { deepEqual, equal } from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { createWatchedLog, type LogEntry } from '../../src/fail2ban/watched-log.ts'
import { requires } from '../support/requirements.ts'
import { prepareFail2ban, run } from './server.ts'
import { installInto } from './shipped.ts'

const skip = requires({ commands: ['fail2ban-regex'] })
const NOW = Date.parse('2026-11-20T18:00:00.000Z')

function entry(over: Partial<LogEntry>): LogEntry {
  return { event: 'ban', ip: '203.0.113.7', jail: 'sshd', until: 1763668800, score: 800_000, origins: 1, ...over }
}

/** The lines that the watched log writes for these entries. */
function linesOf(t: TestContext, entries: readonly LogEntry[]): string[] {
  const dir = mkdtempSync(join(tmpdir(), 'banmesh-filter-'))
  t.after(() => rmSync(dir, { recursive: true }))
  const log = createWatchedLog({ path: join(dir, 'bans.log'), now: () => NOW })
  equal(log.write(entries).ok, true)
  log.close()
  return readFileSync(join(dir, 'bans.log'), 'utf8').trimEnd().split('\n')
}

/** What the shipped filter finds in these lines: address and time in Unix seconds. */
async function find(t: TestContext, lines: readonly string[]): Promise<(readonly [string, number])[]> {
  const { dir, config } = prepareFail2ban(t, { jails: '' })
  await installInto(dir)
  writeFileSync(join(dir, 'lines.log'), `${lines.join('\n')}\n`)
  const { code, stdout, stderr } = await run('fail2ban-regex', [
    '-c',
    config,
    '-o',
    'row',
    join(dir, 'lines.log'),
    'banmesh'
  ])
  equal(code, 0, stderr)
  return [...stdout.matchAll(/^\['(.*?)',\t(\d+)(?:\.0)?,/gm)].map(([, ip, time]) => [ip!, Number(time)] as const)
}

test(
  'The shipped filter finds every ban line of the watched log, with its time, and no unban.',
  { skip },
  async (t) => {
    const ips = [
      '203.0.113.7',
      '203.0.113.0/24',
      '198.51.100.128/25',
      '2001:db8::7',
      '2001:db8::/48',
      '::fffe:0:1',
      '1::'
    ]
    const bans = ips.map((ip) => entry({ ip }))
    const extremes = [
      entry({ jail: 'a', score: 0, until: 0, origins: 0 }),
      entry({ jail: 'j'.repeat(64), score: 1_000_000, until: 99_999_999_999, origins: 9_999_999 }),
      entry({ jail: 'a.b-c_D9', score: 9_999 })
    ]
    const unbans = ips.map((ip) => entry({ ip, event: 'unban' }))
    const found = await find(t, linesOf(t, [...bans, ...unbans, ...extremes]))
    deepEqual(
      found,
      [...ips, ...extremes.map(({ ip }) => ip)].map((ip) => [ip, NOW / 1000])
    )
  }
)

test('The shipped filter finds nothing in any other line.', { skip }, async (t) => {
  const [line = ''] = linesOf(t, [entry({})])
  const swap = (from: string, to: string): string => {
    equal(line.includes(from), true, from)
    return line.replace(from, to)
  }
  const hostile = [
    `junk ${line}`,
    ` ${line}`,
    `{"a":1}${line}`,
    `${line}${line}`,
    `${line} junk`,
    `${line},`,
    line.slice(1),
    line.slice(2),
    line.slice(0, -1),
    line.slice(line.indexOf(',"event"')),
    `"${line.slice(1)}`,
    `""${line.slice(2)}`,
    `{${line}`,
    swap('{"time":"2026-11-20T18:00:00.000Z"', '{"time":""'),
    swap('{"time":"2026-11-20T18:00:00.000Z"', '"time":"2026-11-20T18:00:00.000Z"'),
    swap('.000Z', 'Z'),
    swap('.000Z', '.000'),
    swap('.000Z', '.000+00:00'),
    swap('2026-11-20T', '2026-11-20 '),
    swap('"event":"ban"', '"event":"unban"'),
    swap('"event":"ban"', '"event":"BAN"'),
    swap('"event":"ban"', '"event":"unban","event":"ban"'),
    swap('"event":"ban",', ''),
    swap('"ip":"203.0.113.7"', '"ip":"[203.0.113.7]"'),
    swap('"ip":"203.0.113.7"', '"ip":"example.com"'),
    swap('"ip":"203.0.113.7"', '"ip":"203.0.113.7/0"'),
    swap('"ip":"203.0.113.7"', '"ip":"203.0.113.7 "'),
    swap('"ip":"203.0.113.7"', '"ip":"203.0.113.7","ip":"203.0.113.8"'),
    swap('"ip":"203.0.113.7"', '"ip":"x","user":"","ip":"203.0.113.7"'),
    swap('"jail":"sshd"', '"jail":""'),
    swap('"jail":"sshd"', '"jail":"a b"'),
    swap('"jail":"sshd"', `"jail":"${'j'.repeat(65)}"`),
    swap('"jail":"sshd"', String.raw`"jail":"a\"b"`),
    swap('"until":1763668800', '"until":"1763668800"'),
    swap('"until":1763668800', '"until":-1'),
    swap('"score":80', '"score":80.5'),
    swap('"origins":1}', '"origins":1,"more":1}'),
    swap('"origins":1}', '"origins":1 }'),
    swap(',"jail":"sshd"', '').replace('"ip"', '"jail":"sshd","ip"'),
    line.replaceAll(':', ': '),
    ''
  ]
  deepEqual(await find(t, hostile), [])
})

test('A torn line is lost, and the one after it is found.', { skip }, async (t) => {
  const [line = ''] = linesOf(t, [entry({})])
  deepEqual(await find(t, [line.slice(0, 40), line]), [['203.0.113.7', NOW / 1000]])
})
