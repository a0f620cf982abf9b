/**
 * Single-claim reports of one friend, as fast as they can be taken: a bare libp2p node in another process signs them before,
 * and sends them to a daemon whose limits are lifted. Yardstick: messages of the same size to a bare node that checks one
 * Ed25519 signature of each. They take turns.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Checked, Identity } from '../../src/control/api.ts'
import { createMesh, type NodeHandle } from '../support/nodes.ts'
import { until } from '../support/until.ts'
import { median, spreadOf } from './figures.ts'
import { startChild, type Child } from './processes.ts'
import type { RawPeer, Reached } from './raw-nodes.ts'
import { line, type Line } from './report.ts'

const ROUNDS = 7
const REPORTS = 5000
/** Before, so that V8 has compiled what it will. */
const WARM_UP = 1
const POLL_MS = 5
const UNBOUNDED = 100_000_000

/** How fast a friend may speak, lifted. */
export const UNHURRIED = {
  ingestQueue: UNBOUNDED,
  friendQueue: UNBOUNDED,
  friendQueueBytes: UNBOUNDED,
  friendReportsPerMinute: UNBOUNDED,
  friendBurst: UNBOUNDED,
  friendClaimsPerMinute: UNBOUNDED,
  friendClaimBurst: UNBOUNDED
}

export async function* bench(): AsyncGenerator<Line> {
  yield* measure('verdicts of single reports', false)
  yield* measure('the same, written to the watched log', { path: 'bans.log' })
}

async function* measure(what: string, log: false | { path: string }): AsyncGenerator<Line> {
  await using friend = startChild('raw-nodes.ts')
  await using sender = startChild('raw-nodes.ts')
  await using checker = startChild('raw-nodes.ts')
  const [{ id }] = (await friend.call<RawPeer[]>('create', { count: 1, listen: false })) as [RawPeer]
  await using mesh = createMesh({
    friends: { a: [] },
    more: [{ id, name: 'friend' }],
    config: () => ({ limits: UNHURRIED, handoff: { log } })
  })
  const node = mesh.node('a')
  await mesh.start()
  const { addresses } = await node.get<Identity>('/v1/id')
  await friend.call('dial', addresses[0])
  const [there] = await checker.call<RawPeer[]>('create', { count: 1, listen: true, checked: true })
  await sender.call('create', { count: 1, listen: false })
  await checker.call('signedBy', await sender.call('key'))
  await sender.call('dial', there!.address)

  const ours: number[] = []
  const bare: number[] = []
  for (let round = -WARM_UP; round < ROUNDS; round++) {
    const before = (round + WARM_UP) * REPORTS
    const bytes = await friend.call<number>('prepareReports', { count: REPORTS, from: before })
    const seconds = await timed(() => deliver(friend, node, before + REPORTS))
    await sender.call('prepareSigned', { count: REPORTS, bytes })
    const bareSeconds = await timed(async () => {
      const reached = checker.call<Reached>('reached', before + REPORTS)
      await sender.call('send')
      await reached
    })
    if (round < 0) continue
    ours.push(REPORTS / seconds)
    bare.push(REPORTS / bareSeconds)
  }
  yield line(`stream: ${what}`, median(ours), '/s', median(bare), '>= 0.7 x', spreadOf(ours))
}

/** Until the last verdict, and then none is missing. */
export async function deliver(friend: Child, node: NodeHandle, total: number): Promise<void> {
  await friend.call('send')
  const last = total - 1
  const path = `/v1/check/10.${last >> 16}.${(last >> 8) & 255}.${last & 255}`
  while (!(await node.get<Checked>(path)).banned) await delay(POLL_MS)
  await until(async () => (await node.status()).verdicts.accepted === total, 'every verdict')
}

async function timed(work: () => Promise<void>): Promise<number> {
  const from = performance.now()
  await work()
  return (performance.now() - from) / 1000
}
