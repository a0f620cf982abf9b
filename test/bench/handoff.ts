/**
 * From `fail2ban-client set sshd banip` on A to a refused connection on B, and 10,000 addresses, by each way of the
 * hand-off: two nodes in namespaces, real fail2ban, real nftables. Needs root, as the end-to-end tests do.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Status } from '../../src/control/api.ts'
import { createControlClient } from '../../src/control/client.ts'
import { parseSubject, type Subject } from '../../src/core/subject.ts'
import { createFail2banClient, type Fail2banClient } from '../../src/fail2ban/client.ts'
import { createSocketClient } from '../../src/fail2ban/socket-client.ts'
import { createBanmesh, environmentOf, type Banmesh } from '../support/lab-banmesh.ts'
import { startFail2ban, writeFail2banFiles, type Fail2ban } from '../support/lab-fail2ban.ts'
import { createNetwork, type Namespace } from '../support/lab-namespaces.ts'
import { createProcesses, runOk } from '../support/lab-processes.ts'
import { until } from '../support/until.ts'
import { line, type Line } from './report.ts'

const ROUNDS = 15
const BULK = Number(process.env['BENCH_BULK'] ?? 10_000)
const BULK_TIMEOUT_MS = 30 * 60_000
/** Claims in one request. */
const REQUEST = 1000

const off = { enabled: false }
const WAYS: Readonly<Record<string, (socket: string, log: string) => object>> = {
  'the watched log': (_, path) => ({ log: { path }, fail2ban: off }),
  'fail2ban-client': (socket) => ({ log: false, fail2ban: { enabled: true, socket, direct: false } }),
  "fail2ban's socket": (socket) => ({ log: false, fail2ban: { enabled: true, socket } }),
  nftables: () => ({ log: false, fail2ban: off, nftables: { enabled: true } })
}

export async function* bench(): AsyncGenerator<Line> {
  for (const [way, handoff] of Object.entries(WAYS)) yield* measure(way, handoff)
}

/** Tries connections from the address that it is told until, after one that was let in, one is refused; says when. */
const PROBE = `
const net = require('node:net')
const [host] = process.argv.slice(1)
require('node:readline').createInterface({ input: process.stdin }).on('line', (localAddress) => {
  let opened = false
  const again = () => {
    const socket = net.connect({ host, port: 7000, localAddress, timeout: 100 })
    const next = () => { socket.destroy(); setTimeout(again, 1) }
    socket.once('connect', () => { opened = true; next() }).once('timeout', next)
    socket.once('error', ({ code }) => {
      if (opened && code === 'ECONNREFUSED') console.log(Date.now())
      else next()
    })
  }
  again()
})
`
const SERVER = `require('node:net').createServer((socket) => socket.on('error', () => {}).end()).listen(7000, '0.0.0.0')`

async function* measure(way: string, handoff: (socket: string, log: string) => object): AsyncGenerator<Line> {
  await using cleanup = new AsyncDisposableStack()
  const folder = cleanup.adopt(mkdtempSync(join(tmpdir(), 'banmesh-bench-')), (path) =>
    rmSync(path, { recursive: true, force: true })
  )
  const network = cleanup.adopt(await createNetwork(), (value) => value.remove())
  const processes = cleanup.adopt(createProcesses(), (value) => value.end())
  const nodes = await Promise.all(
    ['a', 'b'].map(async (name, index) => {
      const dir = join(folder, name)
      mkdirSync(dir)
      const namespace = await network.plug(name, 11 + index)
      return { dir, namespace, banmesh: await createBanmesh(processes, name, namespace, dir) }
    })
  )
  const [a, b] = nodes as [(typeof nodes)[0], (typeof nodes)[0]]
  const servers: Fail2ban[] = []
  for (const node of nodes) {
    const { dir, namespace, banmesh } = node
    const files = writeFail2banFiles(dir)
    await banmesh.cli('install', '--root', dir)
    banmesh.configure([{ node: node === a ? b.banmesh : a.banmesh, trust: 80 }], {
      handoff: node === a ? { log: false } : handoff(files.socket, banmesh.bansLog)
    })
    await banmesh.start()
    const detecting = { enabled: true, port: 7000, backend: 'polling', logpath: '/dev/null', bantime: '1d' }
    const jails = {
      sshd: { ...detecting, action: '%(action_)s\nbanmesh' },
      banmesh: { logpath: `${banmesh.bansLog}\n${files.config}/filter.d/banmesh.conf`, bantime: '1d' }
    }
    servers.push(await startFail2ban(processes, namespace, files, jails, environmentOf(banmesh.config, dir)))
  }
  const attacker = await network.plug('attacker', 66)
  for (let i = 0; i < 2 * ROUNDS; i++)
    await runOk(['ip', '-n', nameOf(attacker), 'addr', 'add', addressOf(i), 'dev', 'eth0'])
  processes.start(b.namespace.inside([process.execPath, '-e', SERVER]), { log: join(folder, 'server.log') })
  const probe = createProbe(attacker, b.namespace.addresses.ipv4)
  cleanup.defer(() => probe.end())
  await until(async () => (await friends(a.banmesh)) && (await friends(b.banmesh)), 'the friends', 60_000)

  const call = createControlClient({ socketPath: join(a.dir, 'control.sock'), timeoutMs: 60_000 })
  const whole: number[] = []
  const alone: number[] = []
  for (let i = 0; i < ROUNDS; i++) {
    const first = addressOf(2 * i).split('/')[0]!
    whole.push(
      await probe.until(first, async () =>
        assert.equal((await servers[0]!.client('set', 'sshd', 'banip', first)).status, 0)
      )
    )
    const second = addressOf(2 * i + 1).split('/')[0]!
    alone.push(
      await probe.until(second, async () => {
        assert((await call({ method: 'POST', path: '/v1/bans', body: { subject: second, ttlSeconds: 3600 } })).ok)
      })
    )
  }
  yield line(`${way}: fail2ban-client banip on A -> refused by B`, median(whole), 'ms', null, spread(whole))
  yield line(`${way}: banmesh ban on A -> refused by B`, median(alone), 'ms', null, spread(alone))

  if (way === "fail2ban's socket") yield* compareClients(servers[1]!, b.namespace)

  const from = performance.now()
  for (let i = 0; i < BULK; i += REQUEST) {
    const bans = Array.from({ length: Math.min(REQUEST, BULK - i) }, (_, k) => ({
      subject: bulkAddress(i + k),
      ttlSeconds: 86_400
    }))
    const answer = await call({ method: 'POST', path: '/v1/import', body: { jail: 'sshd', bans } })
    assert(answer.ok, JSON.stringify(answer))
  }
  const accepted = async (): Promise<boolean> => (await b.banmesh.get<Status>('/v1/status')).verdicts.accepted >= BULK
  await until(accepted, 'the verdicts', BULK_TIMEOUT_MS)
  yield line(`${way}: ${BULK} addresses, until the last verdict`, (performance.now() - from) / 1000, 's', null, '-')
  const set = way === 'nftables' ? ['inet', 'banmesh', 'ipv4_32'] : ['inet', 'f2b-table', 'addr-set-banmesh']
  const last = bulkAddress(BULK - 1)
  const inKernel = async (): Promise<boolean> => {
    if (way !== 'nftables') await new Promise((resolve) => setTimeout(resolve, 500))
    const listed = await runOk(b.namespace.inside(['nft', '-j', 'list', 'set', ...set]), undefined, 60_000)
    return listed.includes(`"${last}"`) && listed.split('"5.').length - 1 >= BULK
  }
  await until(inKernel, 'all addresses in the kernel', BULK_TIMEOUT_MS)
  yield line(
    `${way}: ${BULK} addresses, until the last is in the kernel`,
    (performance.now() - from) / 1000,
    's',
    null,
    '-'
  )
}

/** A question, and a ban until it is in the kernel: by the program and by the socket, one after the other. */
async function* compareClients({ socket }: Fail2ban, namespace: Namespace): AsyncGenerator<Line> {
  const byClient = createFail2banClient({ socket })
  const bySocket = createSocketClient({ socket })
  const timed = async (work: () => Promise<{ readonly ok: boolean }>): Promise<number> => {
    const from = performance.now()
    assert((await work()).ok)
    return performance.now() - from
  }
  const inTurn = async (work: (client: Fail2banClient, index: number) => Promise<{ readonly ok: boolean }>) => {
    const times: Record<'client' | 'socket', number[]> = { client: [], socket: [] }
    for (let i = 0; i < ROUNDS; i++) {
      times.client.push(await timed(() => work(byClient, 2 * i)))
      times.socket.push(await timed(() => work(bySocket, 2 * i + 1)))
    }
    return { client: median(times.client), socket: median(times.socket) }
  }
  const question = await inTurn((client) => client.banTime('banmesh'))
  yield line('a question, by its socket (yardstick: fail2ban-client)', question.socket, 'ms', question.client, '-')
  // The action is done when the answer comes: the address is in the kernel then.
  const ban = await inTurn((client, index) => client.ban('banmesh', [subject(`198.18.0.${index}`)]))
  const listed = await runOk(namespace.inside(['nft', '-j', 'list', 'set', 'inet', 'f2b-table', 'addr-set-banmesh']))
  assert(listed.includes(`198.18.0.${2 * ROUNDS - 1}`))
  yield line('one ban until the kernel has it, by its socket', ban.socket, 'ms', ban.client, '-')
}

function createProbe(attacker: Namespace, host: string) {
  const [program, ...args] = attacker.inside([process.execPath, '-e', PROBE, host])
  const child = spawn(program!, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    /** Milliseconds from the start of `ban` to the first refused connection from `address`. */
    async until(address: string, ban: () => Promise<void>): Promise<number> {
      child.stdin.write(`${address}\n`)
      // So that it has begun.
      await new Promise((resolve) => setTimeout(resolve, 300))
      const from = Date.now()
      const [{ value }] = await Promise.all([lines.next(), ban()])
      return Number(value) - from
    },
    end: () => void child.kill('SIGKILL')
  }
}

async function friends(node: Banmesh): Promise<boolean> {
  return (await node.get<Status>('/v1/status')).friends.connected === 1
}

function nameOf(namespace: Namespace): string {
  return namespace.inside([])[3]!
}

function addressOf(index: number): string {
  return `10.78.0.${100 + index}/24`
}

function bulkAddress(index: number): string {
  return `5.${index >> 16}.${(index >> 8) & 255}.${index & 255}`
}

function subject(text: string): Subject {
  const parsed = parseSubject(text)
  assert(parsed.ok)
  return parsed.value
}

function median(values: readonly number[]): number {
  return values.toSorted((x, y) => x - y)[values.length >> 1]!
}

function spread(values: readonly number[]): string {
  return `from ${Math.round(Math.min(...values))} to ${Math.round(Math.max(...values))}`
}
