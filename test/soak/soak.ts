/**
 * Ten real nodes under everything that happens to a mesh in a year, in minutes: bans, lifts, kills, restarts, frozen nodes,
 * networks that fall in two, clocks that step. Afterwards every node must think what a simple model says; and two nodes that nothing was done to must
 * have kept neither memory nor file descriptors.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Status, Why } from '../../src/control/api.ts'
import { flowScore } from '../../src/core/flow.ts'
import type { PeerId } from '../../src/core/report.ts'
import { createNetwork, type Namespace, type Network } from '../support/lab-namespaces.ts'
import { runOk } from '../support/lab-processes.ts'
import { createMesh, type MeshHandle, type NodeHandle } from '../support/nodes.ts'
import { seeded } from '../support/seeded.ts'
import { until } from '../support/until.ts'

/** A tree, so that there is one way between any two, and the model needs no rule for ties. At most four hops. */
const TREE: Readonly<Record<string, readonly string[]>> = {
  a: ['b', 'c', 'd'],
  b: ['a', 'e', 'f'],
  c: ['a', 'g', 'h'],
  d: ['a', 'i', 'j'],
  e: ['b'],
  f: ['b'],
  g: ['c'],
  h: ['c'],
  i: ['d'],
  j: ['d']
}
const NAMES = Object.keys(TREE)
/** Never killed: one in the middle of everything, one at the end. */
const WITNESSES = ['a', 'j']
const SUBJECTS = Array.from({ length: 40 }, (_, i) => `198.51.100.${i}`)
const TRUST = 800_000
/** Well below the ten minutes that two clocks may differ, with another one's in the other direction. */
const CLOCK_MINUTES = 4
/** What was lost with a connection comes with the next sync, after seven and a half minutes at most. */
const AGREE_MS = 480_000
/** A disagreement that lasts longer is told of. */
const LATE_MS = 20_000
/** Of a partition: too short for anybody to notice, up to long enough to lose every connection. */
const PARTITION_SECONDS = [3, 10, 45]
/** Rounds between two looks at the heap: each is a process of its own. */
const HEAP_ROUNDS = 4
/** Where the witnesses' metrics are, in their namespaces. */
const WEB_PORT = 7338

type Model = Map<string, Set<string>>

export interface SoakOptions {
  readonly minutes: number
  readonly seed: number
  /** Whether `faketime` is there. */
  readonly clocks: boolean
  /** Whether namespaces can be made: without them there are no partitions. */
  readonly namespaces: boolean
  /** Of `PARTITION_SECONDS`, those up to this; by default all. */
  readonly longestPartitionSeconds?: number
  say(line: string): void
}

export interface SoakReport {
  readonly acts: Readonly<Record<string, number>>
  readonly agreementMs: number
  /** MiB a minute, of the witnesses, in the second half. */
  readonly rssSlopes: readonly number[]
  readonly heapSlopes: readonly number[]
  readonly fdsBefore: readonly number[]
  readonly fdsAfter: readonly number[]
}

export async function soak(options: SoakOptions): Promise<SoakReport> {
  const { minutes, seed, clocks, namespaces, longestPartitionSeconds = Infinity, say } = options
  const random = seeded(seed)
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!
  const model: Model = new Map(NAMES.map((name) => [name, new Set<string>()]))
  const acts: Record<string, number> = {}
  await using cleanup = new AsyncDisposableStack()
  const network = namespaces ? cleanup.adopt(await createNetwork(), (one) => one.remove()) : null
  const places = new Map<string, Namespace>()
  if (network !== null) for (const [i, name] of NAMES.entries()) places.set(name, await network.plug(name, 11 + i))
  const mesh = cleanup.use(
    createMesh({
      friends: TREE,
      places,
      config: () => ({ web: { listen: `127.0.0.1:${network === null ? 0 : WEB_PORT}` } })
    })
  )
  // Only a clock that is put off from the start can step later.
  if (clocks) for (const { name, setClock } of mesh.nodes) if (!WITNESSES.includes(name)) setClock('+0s')
  await mesh.start()
  await mesh.connected()
  const witnesses = WITNESSES.map((name) => mesh.node(name))
  const victims = mesh.nodes.filter(({ name }) => !WITNESSES.includes(name))
  const fdsBefore = witnesses.map(({ pid }) => fds(pid()))
  const rss: Sample[] = []
  const heap: Sample[] = []
  const from = performance.now()
  const elapsed = (): number => (performance.now() - from) / 60_000

  const count = (act: string): void => void (acts[act] = (acts[act] ?? 0) + 1)

  async function harm(victim: NodeHandle): Promise<void> {
    const kind = pick(['kill', 'kill', 'restart', 'freeze', ...(clocks ? ['clock', 'clock'] : [])])
    count(kind)
    if (kind === 'freeze') {
      process.kill(-victim.pid(), 'SIGSTOP')
      await delay(2000)
      process.kill(-victim.pid(), 'SIGCONT')
      return
    }
    if (kind === 'clock') {
      const seconds = Math.round((random() * 2 - 1) * CLOCK_MINUTES * 60)
      victim.setClock(`${seconds < 0 ? '' : '+'}${seconds}s`)
      return
    }
    await (kind === 'kill' ? victim.kill() : victim.stop())
    await victim.start()
  }

  const weather = network === null ? null : createWeather(network, () => performance.now())
  for (let round = 0; elapsed() < minutes; round++) {
    const split = NAMES.filter(() => random() < 0.4)
    const seconds = pick(PARTITION_SECONDS.filter((one) => one <= longestPartitionSeconds))
    if (await weather?.change(split, seconds)) count(`partition of ${seconds} s`)
    const chosen = Array.from({ length: 8 }, () => ({
      node: pick(mesh.nodes),
      subject: pick(SUBJECTS),
      ban: random() < 0.6
    }))
    const distinct = chosen.filter(
      (one, i) => chosen.findIndex((o) => o.node === one.node && o.subject === one.subject) === i
    )
    const harmed = harm(pick(victims))
    const unsure = await Promise.all(distinct.map(async (act) => ((await tell(act, model)) ? null : act)))
    await harmed
    for (const act of unsure) if (act !== null) assert(await tell(act, model), `${act.node.name} answers again`)
    for (const { ban } of distinct) count(ban ? 'ban' : 'lift')
    rss.push({ minute: elapsed(), mib: witnesses.map(({ pid }) => rssMib(pid())) })
    if (round % HEAP_ROUNDS === 0) {
      const mib = await Promise.all(witnesses.map((one) => heapMib(one, places.get(one.name))))
      heap.push({ minute: elapsed(), mib })
    }
    const now = rss.at(-1)!.mib.map((n) => n.toFixed(0))
    if (round % 10 === 9) say(`${elapsed().toFixed(1)} min, ${JSON.stringify(acts)}, ${now.join(' ')} MiB`)
  }
  await weather?.clear()
  const agreeFrom = performance.now()
  await mesh.connected()
  await agree(mesh, model, say)
  const agreementMs = performance.now() - agreeFrom
  const rssSlopes = slopes(rss, minutes / 2)
  const heapSlopes = slopes(heap, minutes / 2)
  const fdsAfter = witnesses.map(({ pid }) => fds(pid()))
  for (const { name, dir } of mesh.nodes) {
    const log = readFileSync(join(dir, 'daemon.log'), 'utf8')
    assert.doesNotMatch(log, /unhandled|upkeep failed|Error: /, `the log of ${name}`)
  }
  return { acts, agreementMs, rssSlopes, heapSlopes, fdsBefore, fdsAfter }
}

/** Partitions: one at a time, some of the time. */
function createWeather(network: Network, now: () => number) {
  let healAt: number | null = null
  let nextAt = now()
  return {
    /** Heals a partition that is over; else, if it is time, cuts these off from the rest, and says so. */
    async change(some: readonly string[], seconds: number): Promise<boolean> {
      if (healAt !== null && now() >= healAt) {
        await network.heal()
        healAt = null
        nextAt = now() + seconds * 1000
      }
      const others = NAMES.filter((name) => !some.includes(name))
      if (healAt !== null || now() < nextAt || some.length === 0 || others.length === 0) return false
      await network.partition(some, others)
      healAt = now() + seconds * 1000
      return true
    },
    async clear(): Promise<void> {
      if (healAt !== null) await network.heal()
    }
  }
}

/** True if it was acknowledged. */
async function tell(
  { node, subject, ban }: { node: NodeHandle; subject: string; ban: boolean },
  model: Model
): Promise<boolean> {
  const { ok } = ban
    ? await node.call({ method: 'POST', path: '/v1/bans', body: { subject, ttlSeconds: 7200 } })
    : await node.call({ method: 'DELETE', path: `/v1/bans/${subject}` })
  if (ok && ban) model.get(node.name)!.add(subject)
  if (ok && !ban) model.get(node.name)!.delete(subject)
  return ok
}

function way(from: string, to: string, without: string | null = null): string[] | null {
  if (from === to) return [to]
  for (const next of TREE[from]!) {
    const rest = next === without ? null : way(next, to, from)
    if (rest !== null) return [from, ...rest]
  }
  return null
}

function expectedScore(model: Model, me: string, subject: string): number {
  if (model.get(me)!.has(subject)) return 100
  const votes = NAMES.filter((name) => name !== me && model.get(name)!.has(subject)).map((origin) => {
    const [, friend, ...rest] = way(me, origin)!
    const relays = [friend!, ...rest].slice(0, -1).toReversed()
    const hops = relays.map((peer) => ({ peer: peer as PeerId, trust: TRUST }))
    return { origin: origin as PeerId, paths: [{ friend: friend as PeerId, trust: TRUST, hops }] }
  })
  return flowScore(votes) / 10_000
}

async function agree(mesh: MeshHandle, model: Model, say: SoakOptions['say']): Promise<void> {
  for (const node of mesh.nodes) {
    for (const subject of SUBJECTS) {
      const expected = expectedScore(model, node.name, subject)
      let last: Why | undefined
      const agrees = async (): Promise<boolean> => (last = await node.why(subject)).score === expected
      await until(agrees, 'agreement', LATE_MS).catch(() => {
        say(
          `${node.name} thinks ${last?.score} of ${subject}, the model ${expected}: ${JSON.stringify(last?.evidence)}`
        )
      })
      await until(agrees, 'agreement', AGREE_MS).catch(() => {
        assert.fail(`${node.name} thinks ${last?.score} of ${subject}, the model ${expected}: ${JSON.stringify(last)}`)
      })
    }
  }
}

function fds(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length
}

function rssMib(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024
}

async function heapMib(node: NodeHandle, place: Namespace | undefined): Promise<number> {
  const { web } = await node.get<Status>('/v1/status')
  const url = `${web!.url}metrics`
  const script = `fetch('${url}').then((answer) => answer.text()).then((text) => process.stdout.write(text))`
  const metrics =
    place === undefined ? await (await fetch(url)).text() : await runOk(place.inside([process.execPath, '-e', script]))
  return Number(/^banmesh_nodejs_heap_size_used_bytes(?:\{[^}]*\})? (\S+)$/m.exec(metrics)![1]) / 1024 / 1024
}

interface Sample {
  readonly minute: number
  /** Of each witness. */
  readonly mib: readonly number[]
}

function slopes(samples: readonly Sample[], fromMinute: number): number[] {
  const late = samples.filter(({ minute }) => minute > fromMinute)
  return WITNESSES.map((_, w) => slope(late.map(({ minute, mib }) => [minute, mib[w]!])))
}

/** Of the straight line that lies best among the points. */
function slope(points: readonly (readonly [number, number])[]): number {
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length
  const [x, y] = [mean(points.map(([at]) => at)), mean(points.map(([, value]) => value))]
  const spread = points.reduce((sum, [at]) => sum + (at - x) ** 2, 0)
  return spread === 0 ? 0 : points.reduce((sum, [at, value]) => sum + (at - x) * (value - y), 0) / spread
}
