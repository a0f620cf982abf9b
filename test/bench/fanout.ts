/**
 * What one ban costs the node that says it, by the number of its friends: CPU of its process, and bytes that TCP sent. The
 * friends are bare libp2p nodes, many in one process. Then one friend of twenty stops reading, and goes on, in turn.
 */
import assert from 'node:assert/strict'
import type { Identity } from '../../src/control/api.ts'
import { createMesh, type MeshHandle, type NodeHandle } from '../support/nodes.ts'
import { until } from '../support/until.ts'
import { median, spreadOf } from './figures.ts'
import { cpuMs, sentBytes, startChild, type Child } from './processes.ts'
import type { RawPeer, Reached } from './raw-nodes.ts'
import { line, type Line } from './report.ts'

const SIZES = [2, 20, 200] as const
const ROUNDS = 5
const BANS = { 2: 400, 20: 400, 200: 100 } as const
/** More than a connection's buffers take, so that what waits for the silent one piles up in the node. */
const SILENT_BANS = 1000
const SILENT_ROUNDS = 3
const CONNECT_MS = 120_000

export async function* bench(): AsyncGenerator<Line> {
  const cpu = new Map<number, number>()
  const bytes = new Map<number, number>()
  for (const size of SIZES) {
    const [costs, sent] = await measure(size)
    const smaller = SIZES[SIZES.indexOf(size) - 1]
    const linear = (known: ReadonlyMap<number, number>): number | null =>
      smaller === undefined ? null : (known.get(smaller)! * size) / smaller
    const goal = smaller === undefined ? '-' : `<= 1.25 x, with ${smaller} by friend`
    cpu.set(size, median(costs))
    bytes.set(size, median(sent))
    yield line(`fanout: CPU of a ban, ${size} friends`, median(costs), 'ms', linear(cpu), goal, spreadOf(costs))
    yield line(`fanout: bytes of a ban, ${size} friends`, median(sent), 'B', linear(bytes), goal, spreadOf(sent))
  }
  yield* silence()
}

async function measure(size: (typeof SIZES)[number]): Promise<[number[], number[]]> {
  await using friends = startChild('raw-nodes.ts')
  await using mesh = await meshOf([[friends, size]])
  const node = mesh.node('a')
  const port = Number(/\/tcp\/(\d+)/.exec(await addressOf(node))![1])
  const bans = BANS[size]
  const costs: number[] = []
  const sent: number[] = []
  // The first round, for V8 to compile what it will, is not counted.
  for (let round = 0; round <= ROUNDS; round++) {
    const reached = friends.call<Reached>('reached', (round + 1) * bans * size)
    const before = { cpu: cpuMs(node.pid()), bytes: await sentBytes(port) }
    await say(node, round * bans, bans)
    await reached
    if (round === 0) continue
    costs.push((cpuMs(node.pid()) - before.cpu) / bans)
    sent.push(((await sentBytes(port)) - before.bytes) / bans)
  }
  return [costs, sent]
}

async function* silence(): AsyncGenerator<Line> {
  await using others = startChild('raw-nodes.ts')
  await using silent = startChild('raw-nodes.ts')
  await using mesh = await meshOf([
    [others, 19],
    [silent, 1]
  ])
  const node = mesh.node('a')
  const times = { quiet: [] as number[], all: [] as number[] }
  const costs = { quiet: [] as number[], all: [] as number[] }
  for (let round = 0; round <= 2 * SILENT_ROUNDS; round++) {
    const kind = round % 2 === 0 ? 'all' : 'quiet'
    if (kind === 'quiet') process.kill(silent.pid, 'SIGSTOP')
    const reached = others.call<Reached>('reached', (round + 1) * SILENT_BANS * 19)
    const [from, cpu] = [performance.now(), cpuMs(node.pid())]
    await say(node, round * SILENT_BANS, SILENT_BANS)
    await reached
    if (round > 0) {
      times[kind].push((performance.now() - from) / SILENT_BANS)
      costs[kind].push((cpuMs(node.pid()) - cpu) / SILENT_BANS)
    }
    if (kind === 'all') continue
    process.kill(silent.pid, 'SIGCONT')
    // The node has given it up by then, if the round took longer than its ping may.
    const back = async (): Promise<boolean> => {
      await silent.call('dial', await addressOf(node))
      return connected(node, 20)
    }
    await until(back, 'the silent one to be back', CONNECT_MS)
  }
  const figure = (what: string, { quiet, all }: typeof times): Line =>
    line(`fanout: one of 20 is silent, ${what}`, median(quiet), 'ms', median(all), '<= 1.1 x', spreadOf(quiet))
  yield figure('a ban until all others have it', times)
  yield figure('CPU of a ban', costs)
}

/** One node, whose friends are the bare nodes of these processes. */
async function meshOf(groups: readonly (readonly [Child, number])[]): Promise<MeshHandle> {
  const more: { id: string; name: string }[] = []
  for (const [child, count] of groups) {
    const made = await child.call<RawPeer[]>('create', { count, listen: false })
    for (const { id } of made) more.push({ id, name: `friend${more.length}` })
  }
  const mesh = createMesh({ friends: { a: [] }, more, config: () => ({ handoff: { log: false } }) })
  await mesh.start()
  const address = await addressOf(mesh.node('a'))
  for (const [child] of groups) await child.call('dial', address)
  await until(() => connected(mesh.node('a'), more.length), 'all friends', CONNECT_MS)
  return mesh
}

async function addressOf(node: NodeHandle): Promise<string> {
  return (await node.get<Identity>('/v1/id')).addresses[0]!
}

async function connected(node: NodeHandle, count: number): Promise<boolean> {
  return (await node.status()).friends.connected === count
}

/** One after the other, each in a report of its own. */
async function say(node: NodeHandle, from: number, count: number): Promise<void> {
  for (let n = from; n < from + count; n++) {
    const ip = `10.${(n >> 16) & 255}.${(n >> 8) & 255}.${n & 255}`
    const event = { event: 'ban', jail: 'sshd', ip, time: Math.floor(Date.now() / 1000), banTime: 3600 }
    assert((await node.call({ method: 'POST', path: '/v1/hook', body: event })).ok)
  }
}
