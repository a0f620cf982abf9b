/**
 * The most that one friend may make a node hold: its quota of live claims, which is a million by default, each in a report of
 * its own, as fast as they can be taken. How much memory that takes on the way, and when all is quiet again; and that one
 * more is refused.
 */
import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import type { Identity } from '../../src/control/api.ts'
import { createMesh } from '../support/nodes.ts'
import { until } from '../support/until.ts'
import { median } from './figures.ts'
import { residentBytes, startChild } from './processes.ts'
import type { RawPeer } from './raw-nodes.ts'
import { line, type Line } from './report.ts'
import { deliver, UNHURRIED } from './stream.ts'

const QUOTA = 1_000_000
const REPORTS = 5000
const MIB = 1024 * 1024
const LOOK_MS = 100
const REST_MS = 60_000

export async function* bench(): AsyncGenerator<Line> {
  await using friend = startChild('raw-nodes.ts')
  const [{ id }] = (await friend.call<RawPeer[]>('create', { count: 1, listen: false })) as [RawPeer]
  await using mesh = createMesh({
    friends: { a: [] },
    more: [{ id, name: 'friend' }],
    config: () => ({ limits: UNHURRIED, handoff: { log: false } })
  })
  const node = mesh.node('a')
  await mesh.start()
  const { addresses } = await node.get<Identity>('/v1/id')
  await friend.call('dial', addresses[0])
  await delay(REST_MS / 2)
  const idle = residentBytes(node.pid())
  const seen: number[] = []
  const looking = setInterval(() => seen.push(residentBytes(node.pid())), LOOK_MS)
  using cleanup = new DisposableStack()
  cleanup.defer(() => clearInterval(looking))
  const from = performance.now()
  for (let total = REPORTS; total <= QUOTA; total += REPORTS) {
    await friend.call('prepareReports', { count: REPORTS, from: total - REPORTS })
    await deliver(friend, node, total)
  }
  const seconds = (performance.now() - from) / 1000
  await friend.call('prepareReports', { count: 1, from: QUOTA })
  await friend.call('send')
  await until(async () => (await node.status()).refused['over-quota'] === 1, 'one too many to be refused')
  assert.equal((await node.status()).verdicts.accepted, QUOTA)
  cleanup.dispose()
  await delay(REST_MS)
  const what = `${QUOTA} bans of one friend in as many reports`
  yield line(`quota: ${what}`, QUOTA / seconds, '/s', null, '-')
  yield line('quota: memory on the way, at most', Math.max(...seen) / MIB, 'MiB', idle / MIB, '-')
  yield line('quota: memory on the way, median', median(seen) / MIB, 'MiB', idle / MIB, '-')
  yield line('quota: memory a minute later', residentBytes(node.pid()) / MIB, 'MiB', idle / MIB, '-')
}
