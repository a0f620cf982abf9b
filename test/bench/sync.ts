/**
 * A fresh node takes over the live bans of a friend: two processes, real TCP, until the last verdict. The yardstick is the
 * same reports verified and put into a ledger in a bare loop. Then two nodes that differ in little.
 */
import assert from 'node:assert/strict'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { openDatabase, transaction } from '../../src/store/database.ts'
import { createLedger } from '../../src/store/ledger.ts'
import { decodeReport, reportIdOf } from '../../src/wire/codec.ts'
import { verifyReport } from '../../src/wire/signature.ts'
import { createMesh, type MeshHandle, type NodeHandle } from '../support/nodes.ts'
import { createPeer, type Peer } from '../support/peers.ts'
import { until } from '../support/until.ts'
import { median, spreadOf } from './figures.ts'
import { fill } from './fill.ts'
import { line, type Line } from './report.ts'

/** Reports, and claims in each: single bans as they come in, and merged ones as an origin re-issues them. */
const SIZES = [
  [1000, 1],
  [10_000, 1],
  [100_000, 1],
  [100, 1000],
  [1000, 1000]
] as const

/** By default a friend brings 20,000 reports at once, and then 1000 a second, which would be all that is measured. */
const LIMITS = { friendBurst: 1_000_000, friendClaimsPerMinute: 10_000_000 }

const COMMON = 100_000
const DIFFERING = 100
/** What differs is only found once, so there is something new for each. */
const COMPARISONS = 5
const TIMEOUT_MS = 30 * 60_000
/** The bans are this old, so that new ones are the last in the sets. */
const AGE_MS = 3600_000

export async function* bench(): AsyncGenerator<Line> {
  for (const [reports, claims] of SIZES) yield* takeOver(reports, claims)
  yield* compare()
}

async function* takeOver(reports: number, claims: number): AsyncGenerator<Line> {
  const origin = createPeer()
  await using mesh = createPair(origin)
  const [a, b] = mesh.nodes as [NodeHandle, NodeHandle]
  fill(a.dir, a.id, origin, { reports, claims, now: Date.now() - AGE_MS })
  const bare = bareLoop(join(a.dir, 'ledger.db'))
  await a.start()
  await accepted(a, reports * claims)
  const from = performance.now()
  await b.start()
  const ready = performance.now()
  await accepted(b, reports * claims)
  const what = `${reports * claims} bans in ${reports} reports`
  yield line(`sync: ${what}`, performance.now() - ready, 'ms', bare, '<= 2 x')
  yield line(`sync: ${what}, with the start of the node`, performance.now() - from, 'ms', null, '-')
  for (const node of [a, b]) {
    const role = node === a ? 'giver' : 'taker'
    yield line(`sync: ${what}, peak memory of the ${role}`, peakMiB(node), 'MiB', null, '-')
  }
}

/** Each answer counts what is in the ledger: asked without a pause, that would be much of what is measured. */
async function accepted(node: NodeHandle, bans: number): Promise<void> {
  const deadline = performance.now() + TIMEOUT_MS
  for (;;) {
    const asked = performance.now()
    if ((await node.status()).verdicts.accepted === bans) return
    assert(performance.now() < deadline, `${node.name} has not all verdicts`)
    await delay(5 * (performance.now() - asked))
  }
}

/** Two nodes have much in common; each has a little that the other lacks. */
async function* compare(): AsyncGenerator<Line> {
  const origin = createPeer()
  await using mesh = createPair(origin)
  const [a, b] = mesh.nodes as [NodeHandle, NodeHandle]
  fill(a.dir, a.id, origin, { reports: COMMON, claims: 1, now: Date.now() - AGE_MS })
  await mesh.start()
  await accepted(b, COMMON)
  const sessions: Synced[] = []
  for (let from = COMMON; sessions.length < COMPARISONS; from += DIFFERING) {
    await Promise.all([a.stop(), b.stop()])
    // Both learn half of the difference from the origin itself.
    for (const [node, first] of [
      [a, from],
      [b, from + DIFFERING / 2]
    ] as const) {
      const now = Date.now() - AGE_MS / 2 + first
      fill(node.dir, node.id, origin, { reports: DIFFERING / 2, claims: 1, now, from: first })
    }
    const before = [a, b].map((node) => sessionsOf(node).length)
    await mesh.start()
    // Said in the log: to ask the nodes would keep them busy.
    const [, session] = await until(
      () => {
        const ended = [a, b].map((node, i) => sessionsOf(node).slice(before[i]))
        const done = ended.map((list) => list.find(({ received }) => received === DIFFERING / 2))
        return done.every((one) => one !== undefined) && done
      },
      'the difference',
      TIMEOUT_MS
    )
    sessions.push(session!)
  }
  assert.equal((await b.status()).reports, COMMON + COMPARISONS * DIFFERING)
  const everything = statSync(join(a.dir, 'ledger.db')).size
  const what = `${COMMON} common and ${DIFFERING} differing reports`
  const kib = sessions.map(({ bytes }) => bytes / 1024)
  yield line(`sync: ${what}`, median(kib), 'KiB', everything / 1024, '< 100 KiB; beside it the ledger', spreadOf(kib))
  const times = sessions.map(({ durationMs }) => durationMs)
  yield line(`sync: ${what}, from connected to done`, median(times), 'ms', null, '< 300 ms', spreadOf(times))
}

/** Nothing is handed over; what the origin said is accepted by both. */
function createPair(origin: Peer): MeshHandle {
  return createMesh({
    friends: { a: ['b'], b: ['a'] },
    config: () => ({ handoff: { log: false }, policy: { threshold: 50 }, limits: LIMITS }),
    more: [{ id: origin.id, name: 'origin' }]
  })
}

/** Milliseconds for verifying and storing what is in the ledger, one transaction per 256 reports. */
function bareLoop(path: string): number {
  const source = openDatabase(path)
  const target = openDatabase(':memory:')
  assert(source.ok && target.ok)
  const rows = source.value.prepare('SELECT bytes, signature FROM reports').all() as {
    bytes: Uint8Array
    signature: Uint8Array
  }[]
  source.value.close()
  const ledger = createLedger(target.value)
  const from = performance.now()
  for (let first = 0; first < rows.length; first += 256) {
    transaction(target.value, () => {
      for (const { bytes, signature } of rows.slice(first, first + 256)) {
        const report = decodeReport(bytes)
        assert(report.ok && verifyReport('test', report.value.origin, bytes, signature))
        ledger.record({ id: reportIdOf(bytes), bytes, signature, report: report.value }, report.value.origin, null)
      }
    })
  }
  target.value.close()
  return performance.now() - from
}

interface LogLine {
  readonly time: string
  readonly msg: string
  readonly received: number
  readonly bytes: number
}

type Synced = LogLine & { readonly durationMs: number }

/** The sync sessions in a node's log that brought something, with the time since the friend was connected. */
function sessionsOf(node: NodeHandle): Synced[] {
  const texts = readFileSync(join(node.dir, 'daemon.log'), 'utf8').split('\n').filter(Boolean)
  const lines = texts.map((text) => JSON.parse(text) as LogLine)
  return lines.flatMap((entry, i) => {
    if (entry.msg !== 'synced') return []
    const connected = lines.slice(0, i).findLast(({ msg }) => msg === 'friend connected')
    return [{ ...entry, durationMs: Date.parse(entry.time) - Date.parse(connected!.time) }]
  })
}

function peakMiB(node: NodeHandle): number {
  const peak = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${node.pid()}/status`, 'utf8'))
  return Number(peak?.[1]) / 1024
}
