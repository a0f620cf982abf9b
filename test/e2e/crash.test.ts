/**
 * Five real nodes in a line and in a ring. Bans and lifts flow while nodes are killed with SIGKILL and started again, in a
 * random but seeded order; afterwards every node must think what a simple model says, to the last digit.
 */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import type { Why } from '../../src/control/api.ts'
import { flowScore } from '../../src/core/flow.ts'
import type { PeerId } from '../../src/core/report.ts'
import { createMesh, type MeshHandle, type NodeHandle } from '../support/nodes.ts'
import { seeded } from '../support/seeded.ts'
import { until } from '../support/until.ts'

const NAMES = ['a', 'b', 'c', 'd', 'e']
const SUBJECTS = Array.from({ length: 8 }, (_, i) => `198.51.100.${i}`)
const ROUNDS = 8
const TRUST = 800_000

type Graph = Readonly<Record<string, readonly string[]>>

const LINE: Graph = { a: ['b'], b: ['a', 'c'], c: ['b', 'd'], d: ['c', 'e'], e: ['d'] }
const RING: Graph = { a: ['b', 'e'], b: ['a', 'c'], c: ['b', 'd'], d: ['c', 'e'], e: ['d', 'a'] }

/** By node: the subjects that it bans. */
type Model = Map<string, Set<string>>

/** The nodes from `from` to `to`, both included, by the shortest way; the first friend named wins a tie. */
function shortest(graph: Graph, from: string, to: string): string[] {
  const ways = [[from]]
  for (const way of ways) {
    const last = way.at(-1)!
    if (last === to) return way
    for (const next of graph[last]!) if (!way.includes(next)) ways.push([...way, next])
  }
  throw new Error('not connected')
}

/** A friend offers its own shortest way to the origin, unless that leads through us. */
function expectedScore(graph: Graph, model: Model, me: string, subject: string): number {
  if (model.get(me)!.has(subject)) return 100
  const votes = NAMES.filter((name) => name !== me && model.get(name)!.has(subject)).map((origin) => ({
    origin: origin as PeerId,
    paths: graph[me]!.flatMap((friend) => {
      const way = shortest(graph, friend, origin)
      if (way.includes(me)) return []
      const hops = way.slice(0, -1).toReversed()
      return [
        { friend: friend as PeerId, trust: TRUST, hops: hops.map((peer) => ({ peer: peer as PeerId, trust: TRUST })) }
      ]
    })
  }))
  return flowScore(votes) / 10_000
}

async function changeThings(mesh: MeshHandle, model: Model, random: () => number): Promise<void> {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!
  for (let round = 0; round < ROUNDS; round++) {
    const victim = pick(mesh.nodes)
    const acts = Array.from({ length: 6 }, () => ({
      node: pick(mesh.nodes),
      subject: pick(SUBJECTS),
      ban: random() < 0.7
    }))
    // The same node and subject twice at a time would leave the order open.
    const distinct = acts.filter(
      (act, i) => acts.findIndex((a) => a.node === act.node && a.subject === act.subject) === i
    )
    const killed = victim.kill()
    const unsure = await Promise.all(distinct.map(async (act) => ((await say(act, model)) ? null : act)))
    await killed
    await victim.start()
    // What was not acknowledged may have happened or not: said again, it has.
    for (const act of unsure) if (act !== null) assert(await say(act, model), `${act.node.name} answers again`)
  }
}

/** True if it was acknowledged. */
async function say(
  { node, subject, ban }: { node: NodeHandle; subject: string; ban: boolean },
  model: Model
): Promise<boolean> {
  const { ok } = ban
    ? await node.call({ method: 'POST', path: '/v1/bans', body: { subject, ttlSeconds: 3600 } })
    : await node.call({ method: 'DELETE', path: `/v1/bans/${subject}` })
  if (ok && ban) model.get(node.name)!.add(subject)
  if (ok && !ban) model.get(node.name)!.delete(subject)
  return ok
}

async function checkAll(graph: Graph, mesh: MeshHandle, model: Model): Promise<void> {
  for (const node of mesh.nodes) {
    for (const subject of SUBJECTS) {
      const expected = expectedScore(graph, model, node.name, subject)
      let last: Why | undefined
      await until(async () => (last = await node.why(subject)).score === expected, 'agreement', 60_000).catch(() => {
        assert.fail(`${node.name} thinks ${last?.score} of ${subject}, the model ${expected}: ${JSON.stringify(last)}`)
      })
    }
  }
}

for (const [shape, graph, seed] of [
  ['line', LINE, 1],
  ['ring', RING, 2]
] as const) {
  test(`after random kills of nodes in a ${shape} every node agrees with the model`, async (t: TestContext) => {
    await using mesh = createMesh({ friends: graph })
    const model: Model = new Map(NAMES.map((name) => [name, new Set<string>()]))
    await mesh.start()
    await mesh.connected()
    await changeThings(mesh, model, seeded(seed))
    const from = performance.now()
    await mesh.connected()
    await checkAll(graph, mesh, model)
    t.diagnostic(`seed ${seed}: agreement ${(performance.now() - from).toFixed(0)} ms after the last restart`)
  })
}
