/**
 * One claim, from the event of fail2ban's hook on A's control socket to B's verdict: two daemons on loopback, seen through the event stream of B's control
 * socket, so both sockets are in the figure. The yardstick is a message of the same size through gossipsub alone, from
 * publish to topic validator, between two processes. They take turns.
 */
import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { join } from 'node:path'
import type { LiveEvent } from '../../src/control/api.ts'
import { readLines } from '../../src/control/stream.ts'
import { createMesh } from '../support/nodes.ts'
import { claimOf, createPeer, seal } from '../support/peers.ts'
import { percentile, spreadOf } from './figures.ts'
import { startChild } from './processes.ts'
import type { RawPeer, Reached } from './raw-nodes.ts'
import { line, type Line } from './report.ts'

const ROUNDS = 500
/** Before, so that V8 has compiled what it will. */
const WARM_UP = 200
/** So that what one round leaves to be done is not in the next one's time. */
const REST_MS = 5

export async function* bench(): AsyncGenerator<Line> {
  await using mesh = createMesh({ friends: { a: ['b'], b: ['a'] } })
  await mesh.start()
  await mesh.connected()
  const [a, b] = [mesh.node('a'), mesh.node('b')]
  await using sender = startChild('raw-nodes.ts')
  await using receiver = startChild('raw-nodes.ts')
  const [there] = await receiver.call<RawPeer[]>('create', { count: 1, listen: true })
  await sender.call('create', { count: 1, listen: false })
  await sender.call('dial', there!.address)
  const bytes = seal(createPeer(), { issuedAt: Date.now(), claims: [claimOf('10.0.0.1')] }).length

  const watching = new AbortController()
  const verdicts = new Map<string, (at: number) => void>()
  const watched = readLines({
    socketPath: join(b.dir, 'control.sock'),
    path: '/v1/events',
    async line(text) {
      const { kind, subject } = JSON.parse(text) as LiveEvent
      if (kind === 'banned') verdicts.get(subject!)?.(performance.now())
    },
    signal: watching.signal
  })

  const whole: number[] = []
  const acknowledged: number[] = []
  const raw: number[] = []
  for (let i = -WARM_UP; i < ROUNDS; i++) {
    const subject = `10.1.${(i + WARM_UP) >> 8}.${(i + WARM_UP) & 255}`
    const { promise, resolve } = Promise.withResolvers<number>()
    verdicts.set(subject, resolve)
    const from = performance.now()
    const told = { event: 'ban', jail: 'sshd', ip: subject, time: Math.floor(Date.now() / 1000), banTime: 3600 }
    assert((await a.call({ method: 'POST', path: '/v1/hook', body: told })).ok)
    const said = performance.now()
    const at = await promise
    await delay(REST_MS)
    const reached = receiver.call<Reached>('reached', i + WARM_UP + 1)
    await sender.call('publishStamped', bytes)
    const { tookMs } = await reached
    await delay(REST_MS)
    if (i < 0) continue
    whole.push(at - from)
    acknowledged.push(said - from)
    raw.push(tookMs)
  }
  watching.abort()
  assert((await watched).ok)
  const figure = (what: string, percent: number, goal: string): Line =>
    line(`hop: ${what}`, percentile(whole, percent), 'ms', percentile(raw, percent), goal, spreadOf(whole))
  yield figure('a claim on A -> the verdict on B, p50', 50, '<= 2 x')
  yield figure('the same, p99', 99, '<= 3 x')
  yield line(
    'hop: until A has acknowledged it, p50',
    percentile(acknowledged, 50),
    'ms',
    null,
    '-',
    spreadOf(acknowledged)
  )
}
