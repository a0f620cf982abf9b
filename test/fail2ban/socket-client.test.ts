/** fail2ban's socket spoken to directly: what can go wrong on it. With a real server: client.test.ts. */
import { deepEqual, equal, ok as isTrue } from 'node:assert/strict'
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { CLIENT_LIMITS, type ClientRefusal, type Fail2banClient } from '../../src/fail2ban/client.ts'
import { ok, refuse, type Result } from '../../src/core/result.ts'
import { createSocketClient, withFallback } from '../../src/fail2ban/socket-client.ts'
import { askFail2ban } from '../../src/fail2ban/socket.ts'
import { requires } from '../support/requirements.ts'
import { until } from '../support/until.ts'
import { subject } from './ledger.ts'
import { prepareFail2ban } from './server.ts'

const REFUSED = (reason: string) => ({ ok: false, reason })
const FINE = (value: unknown) => ({ ok: true, value })
const END = '<F2B_END_COMMAND>'
const IP = [subject('203.0.113.7')]
/** `(0, 3600)` */
const FINE_3600 = '\x80\x05K\x00M\x10\x0e\x86.'

function pickledText(value: string): string {
  return `\x8c${String.fromCharCode(value.length)}${value}`
}

interface Fake {
  readonly path: string
  readonly client: Fail2banClient
  /** The messages that came, in hex after the protocol's head. */
  readonly heard: string[]
}

/** A server that does with each message what `answer` says. */
async function fake(t: TestContext, answer: (socket: Socket, count: number) => void, timeoutMs = 5000): Promise<Fake> {
  const dir = mkdtempSync(join(tmpdir(), 'banmesh-socket-'))
  const path = join(dir, 'sock')
  const heard: string[] = []
  const open = new Set<Socket>()
  const server = createServer((socket) => {
    open.add(socket)
    let message = ''
    socket.setEncoding('latin1').on('error', () => {})
    socket.on('data', (data: string) => {
      message += data
      if (!message.endsWith(END)) return
      heard.push(message.slice(0, -END.length))
      answer(socket, heard.length)
    })
  })
  await new Promise<void>((resolve) => {
    server.listen(path, resolve)
  })
  t.after(() => {
    for (const socket of open) socket.destroy()
    server.close()
    rmSync(dir, { recursive: true, force: true })
  })
  return { path, heard, client: createSocketClient({ socket: path, timeoutMs }) }
}

function says(text: string): (socket: Socket) => void {
  return (socket) => void socket.write(`${text}${END}`, 'latin1')
}

test('A command is a list of words, and an answer may come in any pieces.', async (t) => {
  const pieces = `${FINE_3600}${END}`.match(/[^]{1,3}/g)!
  const { client, heard } = await fake(t, (socket) => {
    const next = (): void => {
      const piece = pieces.shift()
      if (piece !== undefined) socket.write(piece, 'latin1', () => setImmediate(next))
    }
    next()
  })
  deepEqual(await client.banTime('mesh'), FINE(3600))
  deepEqual(heard, ['\x80\x02](X\x03\0\0\0getX\x04\0\0\0meshX\x07\0\0\0bantimee.'])
})

test('What is not an answer of fail2ban is not understood, and never an empty list (bug 32).', async (t) => {
  for (const [what, answer] of [
    ['nothing', ''],
    ['no pickle', 'hello'],
    ['no pair', '\x80\x05]K\x00a.'],
    ['a text', `\x80\x05${pickledText('ERROR: no')}.`],
    ['status 2', '\x80\x05K\x02]\x86.'],
    ['a failure without an exception', '\x80\x05K\x01]\x86.'],
    ['a list of other things', '\x80\x05K\x00](K\x01e\x86.'],
    ['lines that say something else', `\x80\x05K\x00](${pickledText('203.0.113.7 since noon')}e\x86.`],
    ['a number', FINE_3600],
    ['None', '\x80\x05K\x00N\x86.'],
    ['an exception as the value', `\x80\x05K\x00${pickledText('builtins')}${pickledText('ValueError')}\x93)R\x86.`]
  ] as const) {
    const { client } = await fake(t, says(answer))
    deepEqual(await client.banned('mesh'), REFUSED('not-understood'), what)
  }
  for (const [what, answer] of [
    ['a text', `\x80\x05K\x00${pickledText('1')}\x86.`],
    ['less than none', '\x80\x05K\x00J\xff\xff\xff\xff\x86.'],
    ['a part', '\x80\x05K\x00G\x3f\xf8\0\0\0\0\0\0\x86.']
  ] as const) {
    const { client } = await fake(t, says(answer))
    deepEqual(await client.ban('mesh', IP), REFUSED('not-understood'), what)
    deepEqual(await client.everBanned('mesh'), REFUSED('not-understood'), what)
    deepEqual(await client.ignored('mesh'), REFUSED('not-understood'), what)
  }
})

test('An exception is a failure, and the unknown jail one of its own.', async (t) => {
  const raise = (module: string, name: string) =>
    says(`\x80\x05K\x01${pickledText(module)}${pickledText(name)}\x93)R\x86.`)
  const unknown = await fake(t, raise('fail2ban.exceptions', 'UnknownJailException'))
  deepEqual(await unknown.client.ban('mesh', IP), REFUSED('unknown-jail'))
  const other = await fake(t, raise('builtins', 'ValueError'))
  deepEqual(await other.client.ban('mesh', IP), REFUSED('failed'))
})

test('A server that stops, hangs, hangs up or is not there is told apart.', async (t) => {
  const stopping = await fake(t, says(`\x80\x05]${pickledText('SHUTDOWN')}a.`))
  deepEqual(await stopping.client.banned('mesh'), REFUSED('unreachable'))
  const hanging = await fake(t, () => {}, 100)
  deepEqual(await hanging.client.banned('mesh'), REFUSED('timeout'))
  // What it did before is not known: not the same as a server that is not there.
  const hangingUp = await fake(t, (socket) => socket.end('\x80\x05K\x00'))
  deepEqual(await hangingUp.client.ban('mesh', IP), REFUSED('failed'))
  deepEqual(await createSocketClient({ socket: '/nonexistent/sock' }).banned('mesh'), REFUSED('unreachable'))
  const ending = new AbortController()
  const waiting = createSocketClient({ socket: hanging.path, signal: ending.signal }).banned('mesh')
  await until(() => hanging.heard.length === 2, 'the question')
  ending.abort()
  deepEqual(await waiting, REFUSED('failed'))
  deepEqual(await createSocketClient({ socket: hanging.path, signal: ending.signal }).banned('mesh'), REFUSED('failed'))
})

test('An answer up to the limit is read, and one byte more ends it.', async (t) => {
  const { path } = await fake(t, (socket, count) => {
    // A text of all there is room for: `(0, text)`.
    const length = CLIENT_LIMITS.outputBytes - END.length - 11 + (count - 1)
    const head = Buffer.from('\x80\x05K\x00X....', 'latin1')
    head.writeUInt32LE(length, 5)
    socket.write(Buffer.concat([head, Buffer.alloc(length, 'x'), Buffer.from(`\x86.${END}`, 'latin1')]))
  })
  const ask = () => askFail2ban(['x'], { socket: path, timeoutMs: 10_000 })
  equal((await ask()).ok, true)
  deepEqual(await ask(), REFUSED('not-understood'))
})

test('Addresses go in messages of the batch size, and the first failure ends them.', async (t) => {
  const subjects = Array.from({ length: 2 * CLIENT_LIMITS.batch + 1 }, (_, i) =>
    subject(`2001:db8::${(i + 1).toString(16)}`)
  )
  const fine = await fake(t, says('\x80\x05K\x00K\x07\x86.'))
  deepEqual(await fine.client.ban('mesh', subjects), FINE(21))
  deepEqual(
    fine.heard.map((message) => message.match(/2001:db8::/g)!.length),
    [CLIENT_LIMITS.batch, CLIENT_LIMITS.batch, 1]
  )
  const failing = await fake(t, (socket, count) => says(count === 2 ? 'x' : '\x80\x05K\x00K\x07\x86.')(socket))
  deepEqual(await failing.client.unban('mesh', subjects), REFUSED('not-understood'))
  equal(failing.heard.length, 2)
})

const real = requires({ commands: ['fail2ban-server', 'fail2ban-client'] })
const MESH = '[mesh]\nenabled = true\nfilter = sshd\nlogpath = /dev/null\nbantime = 10m\n'

test('Calls that come while fail2ban is at work wait for their turn.', { skip: real }, async (t) => {
  const server = prepareFail2ban(t, { jails: `${MESH}action = slow\n` })
  writeFileSync(
    join(server.config, 'action.d/slow.conf'),
    `[Definition]\nactionban = touch ${server.dir}/slow; sleep 1\nactionunban =\n`
  )
  await server.start('mesh')
  const client = createSocketClient({ socket: server.socket })
  const slow = client.ban('mesh', IP)
  await until(() => existsSync(join(server.dir, 'slow')), 'the action')
  // More than the socket's queue takes.
  const others = await Promise.all(Array.from({ length: 10 }, () => client.banTime('mesh')))
  deepEqual(
    others,
    others.map(() => FINE(600))
  )
  deepEqual(await slow, FINE(1))
})

test("A socket that is root's is denied.", { skip: real || requires({ root: true }) }, async (t) => {
  const server = prepareFail2ban(t, { jails: MESH })
  await server.start('mesh')
  chmodSync(server.dir, 0o755)
  process.seteuid!(65534)
  try {
    deepEqual(await createSocketClient({ socket: server.socket }).banned('mesh'), REFUSED('denied'))
  } finally {
    process.seteuid!(0)
  }
})

test('The client is asked where the socket is not ours or not understood, and only there.', async () => {
  const asked: string[] = []
  const client = (name: string, answer: () => Result<never, ClientRefusal>): Fail2banClient =>
    new Proxy({} as Fail2banClient, {
      get: (_, call: string) => async () => {
        asked.push(`${name}.${call}`)
        return answer()
      }
    })
  const calls = ['ban', 'unban', 'banned', 'everBanned', 'banTime', 'ignored'] as const
  for (const reason of ['unreachable', 'unknown-jail', 'timeout', 'failed', 'no-client'] as const) {
    const both = withFallback(
      client('socket', () => refuse(reason)),
      client('client', () => ok(1 as never))
    )
    for (const call of calls) deepEqual(await both[call]('mesh', []), REFUSED(reason))
  }
  isTrue(asked.every((call) => call.startsWith('socket.')))
  for (const reason of ['denied', 'not-understood'] as const) {
    const both = withFallback(
      client('socket', () => refuse(reason)),
      client('client', () => ok(1 as never))
    )
    asked.length = 0
    for (const call of calls) deepEqual(await both[call]('mesh', []), FINE(1))
    deepEqual(
      asked,
      calls.flatMap((call) => [`socket.${call}`, `client.${call}`])
    )
  }
})
