/** A network that falls in two: each half goes on by itself, and on healing they agree, without anybody's help. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import type { FriendView, Why } from '../../src/control/api.ts'
import { createBanmesh, type Banmesh } from '../support/lab-banmesh.ts'
import { createNetwork, type Namespace } from '../support/lab-namespaces.ts'
import { createProcesses, runOk } from '../support/lab-processes.ts'
import { requires } from '../support/requirements.ts'
import { until } from '../support/until.ts'

const NAMES = ['a', 'b', 'c', 'd'] as const
const LEFT = '198.51.100.1'
const RIGHT = '198.51.100.2'
const LOST_MS = 90_000

/** Four nodes in a line, each in a namespace of its own. */
async function createLine(t: TestContext) {
  const cleanup = new AsyncDisposableStack()
  t.after(() => cleanup.disposeAsync())
  const folder = cleanup.adopt(mkdtempSync(join(tmpdir(), 'banmesh-lab-')), (path) => rmSync(path, { recursive: true }))
  const network = cleanup.adopt(await createNetwork(), (value) => value.remove())
  const processes = cleanup.adopt(createProcesses(), (value) => value.end())
  const namespaces = await Promise.all(NAMES.map((name, i) => network.plug(name, 11 + i)))
  const nodes = await Promise.all(
    NAMES.map((name, i) => {
      mkdirSync(join(folder, name))
      return createBanmesh(processes, name, namespaces[i]!, join(folder, name))
    })
  )
  nodes.forEach((node, i) => {
    const friends = [nodes[i - 1], nodes[i + 1]].filter((friend) => friend !== undefined)
    node.configure(friends.map((friend) => ({ node: friend, trust: 80 })))
  })
  await Promise.all(nodes.map((node) => node.start()))
  for (const node of nodes) await until(() => hasFriends(node), `the friends of ${node.name}`, LOST_MS)
  return { network, namespaces, nodes: nodes as [Banmesh, Banmesh, Banmesh, Banmesh] }
}

async function hasFriends(node: Banmesh): Promise<boolean> {
  return (await node.get<FriendView[]>('/v1/friends')).every(({ connected }) => connected)
}

/** Whether the kernel of one namespace holds a connection with the other. */
async function isConnected(from: Namespace, { addresses: { ipv4, ipv6 } }: Namespace): Promise<boolean> {
  const filter = ['state', 'established', 'dst', ipv4, 'or', 'dst', `[${ipv6}]`]
  return (await runOk(from.inside(['ss', '-H', '-t', '-n', ...filter]))).trim() !== ''
}

async function scores(node: Banmesh): Promise<number[]> {
  return Promise.all([LEFT, RIGHT].map(async (subject) => (await node.get<Why>(`/v1/why/${subject}`)).score))
}

for (const [what, lost] of [
  ['shorter than anybody notices', false],
  ['long enough to lose every connection between the halves', true]
] as const) {
  const skip = requires({ root: true, commands: ['ip', 'nft', 'setpriv', 'ss'] })
  test(`both halves of a partition go on and agree when it heals; it was ${what}`, { skip }, async (t) => {
    const { network, namespaces, nodes } = await createLine(t)
    const [a, b, c, d] = nodes
    const [, left, right] = namespaces as [Namespace, Namespace, Namespace]
    assert(await isConnected(left, right))
    await network.partition(['a', 'b'], ['c', 'd'])
    await a.cli('ban', LEFT)
    await d.cli('ban', RIGHT)
    await until(async () => (await scores(b))[0] === 80 && (await scores(c))[1] === 80, 'each half to act by itself')
    assert.deepEqual(await scores(b), [80, 0])
    assert.deepEqual(await scores(c), [0, 80])
    if (lost) {
      await until(
        async () => !(await isConnected(left, right)) && !(await isConnected(right, left)),
        'the loss',
        LOST_MS
      )
    }
    await network.heal()
    const from = performance.now()
    await until(async () => (await scores(b))[1] === 64 && (await scores(c))[0] === 64, 'the halves to agree', LOST_MS)
    await until(
      async () => (await scores(a))[1] === 51.2 && (await scores(d))[0] === 51.2,
      'the ends to agree',
      LOST_MS
    )
    t.diagnostic(`agreed ${((performance.now() - from) / 1000).toFixed(1)} s after healing`)
  })
}
