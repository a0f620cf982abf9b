import { deepEqual, equal, ok as isTrue } from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { CLIENT_LIMITS, createFail2banClient, type Fail2banClient } from '../../src/fail2ban/client.ts'
import { createSocketClient } from '../../src/fail2ban/socket-client.ts'
import { requires } from '../support/requirements.ts'
import { subject } from './ledger.ts'
import { prepareFail2ban } from './server.ts'

const skip = requires({ commands: ['fail2ban-server', 'fail2ban-client'] })
const REFUSED = (reason: string) => ({ ok: false, reason })
const FINE = (value: unknown) => ({ ok: true, value })

/** A client that is a shell script, with the arguments in "$@". */
function fake(t: TestContext, script: string, timeoutMs = 10_000): Fail2banClient {
  const dir = mkdtempSync(join(tmpdir(), 'banmesh-client-'))
  t.after(() => rmSync(dir, { recursive: true }))
  const path = join(dir, 'client')
  writeFileSync(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 })
  return createFail2banClient({ client: path, timeoutMs })
}

/** What `printf` in a fake client prints. */
function answer(t: TestContext, text: string): Fail2banClient {
  return fake(t, `printf '%b' '${text.replaceAll('\n', String.raw`\n`).replaceAll('\t', String.raw`\t`)}'`)
}

for (const [way, create] of [
  ['fail2ban-client', createFail2banClient],
  ['its socket', createSocketClient]
] as const) {
  test(`Bans, unbans and queries of a real server, by ${way}.`, { skip }, (t) => bansAndQueries(t, create))
}

async function bansAndQueries(
  t: TestContext,
  create: (options: { readonly socket: string }) => Fail2banClient
): Promise<void> {
  const server = prepareFail2ban(t, {
    jails: '[mesh]\nenabled = true\nfilter = sshd\nlogpath = /dev/null\nbantime = 10m\n'
  })
  await server.start('mesh')
  const client = create({ socket: server.socket })
  const subjects = ['203.0.113.7', '203.0.113.0/24', '2001:db8::7', '2001:db8:1::/48'].map(subject)
  deepEqual(await client.banned('mesh'), FINE(new Map()))
  deepEqual(await client.everBanned('mesh'), FINE(0))
  deepEqual(await client.ban('mesh', []), FINE(0))
  const before = Math.floor(Date.now() / 1000)
  deepEqual(await client.ban('mesh', subjects), FINE(4))
  deepEqual(await client.ban('mesh', subjects.slice(0, 1)), FINE(0))
  const banned = await client.banned('mesh')
  isTrue(banned.ok)
  deepEqual([...banned.value.keys()].sort(), subjects.toSorted())
  for (const { since, until } of banned.value.values()) {
    isTrue(since >= before && since <= before + 30, String(since))
    isTrue(until - since >= 600 && until - since <= 630, String(until))
  }
  deepEqual(await client.everBanned('mesh'), FINE(4))
  deepEqual(await client.banTime('mesh'), FINE(600))
  deepEqual(await client.unban('mesh', [subject('198.51.100.1')]), FINE(0))
  deepEqual(await client.unban('mesh', subjects.slice(1)), FINE(3))
  const left = await client.banned('mesh')
  deepEqual(left.ok && [...left.value.keys()], ['203.0.113.7'])
  // An absent CIDR takes along what is in it.
  deepEqual(await client.unban('mesh', [subject('203.0.113.0/24')]), FINE(1))

  await server.client('set', 'mesh', 'bantime', '-1')
  deepEqual(await client.banTime('mesh'), FINE(Infinity))
  // A word that somebody banned by hand is passed over.
  await server.client('set', 'mesh', 'banip', 'some word')
  await client.ban('mesh', subjects.slice(0, 1))
  const forEver = await client.banned('mesh')
  deepEqual(forEver.ok && [...forEver.value].map(([ip, { until }]) => [ip, until]), [['203.0.113.7', Infinity]])

  deepEqual(await client.ignored('mesh'), FINE([]))
  await server.client('set', 'mesh', 'addignoreip', '127.0.0.0/8', '2001:db8::1', 'localhost')
  deepEqual(await client.ignored('mesh'), FINE(['127.0.0.0/8', '2001:db8::1']))

  for (const call of [
    () => client.ban('nosuch', subjects),
    () => client.unban('nosuch', subjects),
    () => client.banned('nosuch'),
    () => client.everBanned('nosuch'),
    () => client.banTime('nosuch'),
    () => client.ignored('nosuch')
  ]) {
    deepEqual(await call(), REFUSED('unknown-jail'))
  }
  await server.stop()
  deepEqual(await client.banned('mesh'), REFUSED('unreachable'))
  deepEqual(await client.ban('mesh', subjects), REFUSED('unreachable'))
}

test(
  'A socket that is not ours is told from one that is not there.',
  {
    skip: requires({ root: true, commands: ['fail2ban-server', 'setpriv'] })
  },
  async (t) => {
    const server = prepareFail2ban(t, { jails: '[mesh]\nenabled = true\nfilter = sshd\nlogpath = /dev/null\n' })
    await server.start('mesh')
    const asNobody = 'exec setpriv --reuid 65534 --regid 65534 --clear-groups fail2ban-client'
    const command = `[ -d ${server.dir} ] && chmod 755 ${server.dir}; ${asNobody} -s ${server.socket} "$@"`
    deepEqual(await fake(t, command).banned('mesh'), REFUSED('denied'))
  }
)

test('A program that is not there, fails, hangs or is ended is a refusal.', async (t) => {
  const absent = createFail2banClient({ client: '/nonexistent/fail2ban-client' })
  deepEqual(await absent.banned('mesh'), REFUSED('no-client'))
  deepEqual(await fake(t, 'exit 1').banned('mesh'), REFUSED('failed'))
  deepEqual(await fake(t, 'echo 1; exit 255').ban('mesh', [subject('203.0.113.7')]), REFUSED('failed'))
  deepEqual(await fake(t, 'sleep 60 & wait', 100).banned('mesh'), REFUSED('timeout'))
  const stopping = new AbortController()
  const client = createFail2banClient({ client: '/bin/cat', socket: '-', signal: stopping.signal })
  stopping.abort()
  deepEqual(await client.banned('mesh'), REFUSED('failed'))
})

test('An answer that is not understood to the end is a refusal, and never an empty list (bug 32).', async (t) => {
  const line = '203.0.113.7 \t2026-11-20 18:00:00 + 600 = 2026-11-20 18:10:00\n'
  for (const text of [
    '',
    '203.0.113.7\n',
    '\n\n',
    'None\n',
    line.slice(0, -1),
    `${line}\n`,
    `${line}more\n`,
    line.replace(' \t', ' '),
    line.replace('+ 600', '+ ten'),
    line.replace('2026-11-20 18:10:00', 'later'),
    line.replace('18:00:00', '18:00')
  ]) {
    deepEqual(await answer(t, text).banned('mesh'), REFUSED('not-understood'), JSON.stringify(text))
  }
  deepEqual(await answer(t, '\n').banned('mesh'), FINE(new Map()))
  const read = await answer(t, line).banned('mesh')
  const since = new Date(2026, 10, 20, 18).getTime() / 1000
  deepEqual(read, FINE(new Map([['203.0.113.7', { since, until: since + 600 }]])))
  for (const text of ['', '1', '-1\n', 'one\n', '1\n1\n', '1.5\n']) {
    deepEqual(
      await answer(t, text).ban('mesh', [subject('203.0.113.7')]),
      REFUSED('not-understood'),
      JSON.stringify(text)
    )
  }
  for (const text of ['', '-2\n', '10m\n']) {
    deepEqual(await answer(t, text).banTime('mesh'), REFUSED('not-understood'), JSON.stringify(text))
  }
  for (const text of ['', 'Status\n', '5\n', 'Total banned:\t5\n']) {
    deepEqual(await answer(t, text).everBanned('mesh'), REFUSED('not-understood'), JSON.stringify(text))
  }
  const title = 'These IP addresses/networks are ignored:\n'
  for (const text of ['', '\n', title, `${title}127.0.0.1\n`, `127.0.0.1\n`]) {
    deepEqual(await answer(t, text).ignored('mesh'), REFUSED('not-understood'), JSON.stringify(text))
  }
})

test('An answer longer than the bound is not understood.', async (t) => {
  const line = '203.0.113.7 \t2026-11-20 18:00:00 + 600 = 2026-11-20 18:10:00'
  const client = fake(t, `yes '${line}' | head -c ${CLIENT_LIMITS.outputBytes + 1}`)
  deepEqual(await client.banned('mesh'), REFUSED('not-understood'))
})

test('Addresses go in calls of the batch size, and the first failure ends them.', async (t) => {
  const subjects = Array.from({ length: CLIENT_LIMITS.batch + 1 }, (_, i) =>
    subject(`2001:db8::${(i + 1).toString(16)}`)
  )
  // Three words come before the addresses; the answer is how many there were.
  const counting = fake(t, 'echo $(($# - 3))')
  deepEqual(await counting.ban('mesh', subjects), FINE(CLIENT_LIMITS.batch + 1))
  deepEqual(await fake(t, `[ $# -gt ${CLIENT_LIMITS.batch + 3} ] && exit 1; echo 1`).ban('mesh', subjects), FINE(2))
  deepEqual(
    await fake(t, `[ $# -gt ${CLIENT_LIMITS.batch + 2} ] && exit 1; echo 1`).ban('mesh', subjects),
    REFUSED('failed')
  )
  equal((await fake(t, '[ "$1 $2 $3" = "set -mesh unbanip" ] && echo 1').unban('-mesh', subjects.slice(0, 1))).ok, true)
})
