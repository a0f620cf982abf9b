/**
 * The daemon as it is built: its memory with nothing to do, with 100,000 and a million live bans, and a minute after a burst.
 * Yardstick: a bare libp2p node with the same services. Nobody asks for a garbage collection.
 */
import assert from 'node:assert/strict'
import { readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { createMesh, type NodeHandle } from '../support/nodes.ts'
import { createPeer, type Peer } from '../support/peers.ts'
import { until } from '../support/until.ts'
import { bareNode } from './bare.ts'
import { fill } from './fill.ts'
import { median, spreadOf } from './figures.ts'
import { builtProgram, residentBytes, startProgram, type Program } from './processes.ts'
import { line, type Line } from './report.ts'

const MIB = 1024 * 1024
/** From the start to the first look, and of looks a second apart. */
const SETTLE_MS = 20_000
const LOOKS = 10
/** Reports, and claims in each. */
const SIZES = [
  [100, 1000],
  [1000, 1000],
  [100_000, 1]
] as const
const BURST = 100_000
const IMPORT = 1000
const AFTER_BURST_MS = 60_000
const JUDGED_MS = 30 * 60_000
const AGE_MS = 3600_000

/** When V8 gives memory back is a matter of luck; so some nodes, not one. */
const NODES = ['a', 'b', 'c']

interface Running {
  readonly node: NodeHandle
  readonly daemon: Program
}

const program = builtProgram()

export async function* bench(): AsyncGenerator<Line> {
  const origin = createPeer()
  await using mesh = createMesh({
    friends: Object.fromEntries(NODES.map((name) => [name, []])),
    more: [{ id: origin.id, name: 'origin' }],
    config: () => ({ handoff: { log: false }, discovery: { dht: true }, web: { listen: '127.0.0.1:0' } })
  })
  const [node] = mesh.nodes as [NodeHandle]
  const socket = join(node.dir, 'bare.sock')
  await using bare = await startProgram(['--input-type=module', '-e', bareNode(socket)], socket)
  await using daemons = new AsyncDisposableStack()
  const running: Running[] = []
  for (const one of mesh.nodes) running.push({ node: one, daemon: daemons.use(await start(one)) })
  await delay(SETTLE_MS)
  const bareBytes = await look(bare)
  const idle = await Promise.all(running.map(async ({ daemon }) => median(await look(daemon))))
  yield line('memory: idle', median(idle) / MIB, 'MiB', median(bareBytes) / MIB, '<= 1.3 x', spreadOf(idle.map(toMiB)))

  const before = databaseBytes(node)
  const after = await Promise.all(running.map(burst))
  const spread = spreadOf(after.map(toMiB))
  yield line(
    `memory: a minute after ${BURST} bans at once`,
    median(after) / MIB,
    'MiB',
    median(idle) / MIB,
    '<= 1.3 x',
    spread
  )
  yield line(`disk: ${BURST} own bans said at once, each`, (databaseBytes(node) - before) / BURST, 'B', null, '<= 600')
  for (const { daemon } of running) await daemon.stop()

  let least: { bans: number; memory: number; disk: number } | null = null
  for (const [reports, claims] of SIZES) {
    const bans = reports * claims
    const memory = await filled(node, origin, reports, claims)
    const disk = databaseBytes(node)
    const what = `${bans} bans in ${reports} reports`
    yield line(`memory: ${what}`, median(memory) / MIB, 'MiB', median(idle) / MIB, '-', spreadOf(memory.map(toMiB)))
    const rest = least === null || reports === bans ? { bans: 0, memory: median(idle), disk: before } : least
    const further = bans - rest.bans
    yield line(`memory: ${what}, each`, (median(memory) - rest.memory) / further, 'B', null, '<= 400')
    yield line(`disk: ${what}, each`, (disk - rest.disk) / further, 'B', null, '<= 600')
    least ??= { bans, memory: median(memory), disk }
  }
}

/** Resident bytes of a node that has so many bans and is at rest. */
async function filled(node: NodeHandle, origin: Peer, reports: number, claims: number): Promise<number[]> {
  for (const name of readdirSync(node.dir)) if (name.startsWith('ledger.db')) rmSync(join(node.dir, name))
  fill(node.dir, node.id, origin, { reports, claims, now: Date.now() - AGE_MS })
  const judged = async (): Promise<boolean> => (await node.status()).verdicts.accepted === reports * claims
  // The first start judges all of them; what it needs for that is not what it keeps.
  {
    await using first = await start(node)
    await until(judged, 'the verdicts', JUDGED_MS)
    await first.stop()
  }
  await using second = await start(node)
  await until(judged, 'the verdicts', JUDGED_MS)
  await delay(SETTLE_MS)
  return await look(second)
}

function start({ dir }: NodeHandle): Promise<Program> {
  return startProgram([program, '--config', join(dir, 'banmesh.yaml'), 'run'], join(dir, 'control.sock'))
}

async function look({ pid }: Program): Promise<number[]> {
  const seen: number[] = []
  for (let i = 0; i < LOOKS; i++) {
    seen.push(residentBytes(pid))
    await delay(1000)
  }
  return seen
}

/** Bytes in memory, a minute later. */
async function burst({ node, daemon }: Running): Promise<number> {
  for (let from = 0; from < BURST; from += IMPORT) {
    const bans = Array.from({ length: IMPORT }, (_, i) => ({ subject: subjectOf(from + i), ttlSeconds: 86_400 }))
    assert((await node.call({ method: 'POST', path: '/v1/import', body: { jail: 'sshd', bans } })).ok)
  }
  await delay(AFTER_BURST_MS)
  return residentBytes(daemon.pid)
}

function databaseBytes({ dir }: NodeHandle): number {
  const names = readdirSync(dir).filter((name) => name.startsWith('ledger.db'))
  return names.reduce((sum, name) => sum + statSync(join(dir, name)).size, 0)
}

function subjectOf(n: number): string {
  return `11.${(n >> 16) & 255}.${(n >> 8) & 255}.${n & 255}`
}

function toMiB(bytes: number): number {
  return bytes / MIB
}
