/**
 * The daemon as it is built (`npm run build`), from the start of its process until its control socket answers, with 100,000
 * bans in its ledger, and with none. Yardstick: a process that imports libp2p and the packages of our node, and ends. They
 * take turns.
 */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { createMesh, type NodeHandle } from '../support/nodes.ts'
import { createPeer } from '../support/peers.ts'
import { until } from '../support/until.ts'
import { IMPORTING } from './bare.ts'
import { median, spreadOf } from './figures.ts'
import { fill } from './fill.ts'
import { builtProgram, startProgram } from './processes.ts'
import { line, type Line } from './report.ts'

const ROUNDS = 15
const BANS = 100_000
const JUDGED_MS = 15 * 60_000
const AGE_MS = 3600_000
const ROOT = new URL('../..', import.meta.url).pathname

const program = builtProgram()

export async function* bench(): AsyncGenerator<Line> {
  const origin = createPeer()
  await using mesh = createMesh({
    friends: { empty: [], full: [] },
    more: [{ id: origin.id, name: 'origin' }],
    config: () => ({ handoff: { log: false } })
  })
  const [empty, full] = [mesh.node('empty'), mesh.node('full')]
  fill(full.dir, full.id, origin, { reports: BANS, claims: 1, now: Date.now() - AGE_MS })
  // The first start judges all of them.
  await full.start()
  await until(async () => (await full.status()).verdicts.accepted === BANS, 'the verdicts', JUDGED_MS)
  await full.stop()

  const imports: number[] = []
  const times = { empty: [] as number[], full: [] as number[] }
  for (let round = 0; round < ROUNDS; round++) {
    const from = performance.now()
    execFileSync(process.execPath, ['--input-type=module', '-e', IMPORTING], { cwd: ROOT })
    imports.push(performance.now() - from)
    times.empty.push(await startOnce(empty))
    times.full.push(await startOnce(full))
  }
  const yardstick = median(imports)
  yield line(
    'start: banmesh run until ready, 100,000 bans',
    median(times.full),
    'ms',
    yardstick,
    '<= 2 x',
    spreadOf(times.full)
  )
  yield line('start: the same without bans', median(times.empty), 'ms', yardstick, '-', spreadOf(times.empty))
}

async function startOnce({ dir }: NodeHandle): Promise<number> {
  const args = [program, '--config', join(dir, 'banmesh.yaml'), 'run']
  await using daemon = await startProgram(args, join(dir, 'control.sock'))
  await daemon.stop()
  return daemon.readyMs
}
