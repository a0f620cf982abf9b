/**
 * One claim, from fail2ban's event at A until B's verdict is in B's ledger: two daemons on loopback, each in a process of
 * its own. The event comes into the spool, as the shipped action leaves it there, or as a request on the control socket.
 *
 * The yardsticks are messages of the same size through gossipsub between two processes, from publish to topic validator:
 * alone, and with what a report needs at the least besides, a signature and a commit at either end. They take turns.
 */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { FriendView, HookEvent } from '../../src/control/api.ts'
import { createMesh, type NodeHandle } from '../support/nodes.ts'
import { claimOf, createPeer, seal } from '../support/peers.ts'
import { until } from '../support/until.ts'
import { monotonicMs, percentile, spreadOf } from './figures.ts'
import { startChild } from './processes.ts'
import type { RawOptions, RawPeer, Reached } from './raw-nodes.ts'
import { line, type Line } from './report.ts'

const ROUNDS = 500
/** Before, so that V8 has compiled what it will. */
const WARM_UP = 200
/** Before and after each measurement, for what else there is to be done. */
const REST_MS = 5
const BAN_SECONDS = 3600

export async function* bench(): AsyncGenerator<Line> {
  await using cleanup = new AsyncDisposableStack()
  const mesh = cleanup.use(createMesh({ friends: { a: ['b'], b: ['a'] } }))
  const [a, b] = [mesh.node('a'), mesh.node('b')]
  const [daemonOfA, daemonOfB] = [cleanup.use(startChild('hop-node.ts')), cleanup.use(startChild('hop-node.ts'))]
  await daemonOfA.call('run', join(a.dir, 'banmesh.yaml'))
  await daemonOfB.call('run', join(b.dir, 'banmesh.yaml'))
  await until(async () => (await isConnected(a)) && (await isConnected(b)), 'the friends', 60_000)
  const dir = cleanup.adopt(mkdtempSync(join(tmpdir(), 'banmesh-bench-')), (path) => rmSync(path, { recursive: true }))
  const bytes = seal(createPeer(), { issuedAt: Date.now(), claims: [claimOf('10.0.0.1')] }).length
  const alone = await createRawPair(bytes, () => ({}))
  const least = await createRawPair(bytes, (side) => ({ checked: true, ledger: join(dir, side) }))

  async function measure(hand: (event: HookEvent) => Promise<void>): Promise<number> {
    const ip = `10.1.${subjects >> 8}.${subjects++ & 255}`
    const banned = daemonOfB.call<number>('banned', ip)
    await delay(REST_MS)
    const event: HookEvent = {
      event: 'ban',
      jail: 'sshd',
      ip,
      time: Math.floor(Date.now() / 1000),
      banTime: BAN_SECONDS
    }
    const from = monotonicMs()
    await hand(event)
    const tookMs = (await banned) - from
    await delay(REST_MS)
    return tookMs
  }
  let subjects = 0
  const spool = join(a.dir, 'spool')
  mkdirSync(spool, { recursive: true })
  const ways = {
    spooled: () =>
      measure(async (event) => {
        const name = `${String(Date.now()).padStart(15, '0')}-${String(subjects).padStart(10, '0')}.json`
        writeFileSync(join(spool, name), JSON.stringify({ event }))
      }),
    requested: () => measure((event) => request(join(a.dir, 'control.sock'), event)),
    alone,
    least
  }
  const times = { spooled: [], requested: [], alone: [], least: [] } as Record<keyof typeof ways, number[]>
  for (let round = -WARM_UP; round < ROUNDS; round++) {
    for (const [way, take] of Object.entries(ways)) {
      const tookMs = await take()
      if (round >= 0) times[way as keyof typeof ways].push(tookMs)
    }
  }
  const figure = (what: string, of: number[], by: number[], percent: number, goal: string): Line =>
    line(`hop: ${what}, p${percent}`, percentile(of, percent), 'ms', percentile(by, percent), goal, spreadOf(of))
  const { spooled, requested } = times
  for (const [percent, goal] of [
    [50, '<= 2 x'],
    [99, '<= 3 x']
  ] as const) {
    yield figure('from the spool (by: gossipsub)', spooled, times.alone, percent, goal)
    yield figure('from the socket (by: gossipsub)', requested, times.alone, percent, goal)
    yield figure('from the spool (by: and 2 signatures, 2 commits)', spooled, times.least, percent, '-')
  }

  async function createRawPair(
    size: number,
    options: (side: string) => Omit<RawOptions, 'count' | 'listen'>
  ): Promise<() => Promise<number>> {
    const [sender, receiver] = [cleanup.use(startChild('raw-nodes.ts')), cleanup.use(startChild('raw-nodes.ts'))]
    const [there] = await receiver.call<RawPeer[]>('create', { count: 1, listen: true, ...options('receiver') })
    await sender.call('create', { count: 1, listen: false, ...options('sender') })
    await receiver.call('signedBy', await sender.call('key'))
    await sender.call('dial', there!.address)
    let sent = 0
    return async () => {
      const reached = receiver.call<Reached>('reached', ++sent)
      await delay(REST_MS)
      await sender.call('publishStamped', size)
      const { tookMs } = await reached
      await delay(REST_MS)
      return tookMs
    }
  }
}

async function isConnected(node: NodeHandle): Promise<boolean> {
  const friends = await node.get<FriendView[]>('/v1/friends')
  return friends.every(({ connected }) => connected)
}

/** Resolves when it is answered. Over a bare socket: an HTTP client's time is not the daemon's. */
async function request(socketPath: string, event: HookEvent): Promise<void> {
  const body = JSON.stringify(event)
  const head = `POST /v1/hook HTTP/1.1\r\nhost: banmesh\r\nconnection: close\r\ncontent-type: application/json`
  const socket = connect(socketPath)
  socket.setEncoding('utf8').write(`${head}\r\ncontent-length: ${body.length}\r\n\r\n${body}`)
  const answer = await Array.fromAsync(socket as AsyncIterable<string>)
  assert(answer.join('').startsWith('HTTP/1.1 200 '))
}
