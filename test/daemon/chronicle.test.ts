/** What who watches is told of a verdict's end, by the verdicts of a node without a network. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pino } from 'pino'
import type { Claim } from '../../src/core/report.ts'
import type { Subject } from '../../src/core/subject.ts'
import { createChronicle } from '../../src/daemon/chronicle.ts'
import type { Config } from '../../src/daemon/config.ts'
import { claimOf, createPeer, seal, type Peer } from '../support/peers.ts'
import { createStand, NOW, trusting, type Stand } from './stand.ts'

const HOST = '198.51.100.7' as Subject
const SECONDS = NOW / 1000

const bob = createPeer()
const dave = createPeer()

/** A node whose friends are bob and dave, and what its watchers hear: `KIND REASON`. */
function watched() {
  const heard: string[] = []
  const node: Stand = createStand([trusting(bob, 80), trusting(dave, 50)], {
    changed: (...change) => chronicle.changed(...change)
  })
  const chronicle = createChronicle({
    friends: node.friends,
    logger: pino({ level: 'silent' }),
    judging: () => node.judging,
    views: () => assert.fail('nothing is handed over'),
    config: (): Config => assert.fail('nothing is handed over'),
    report: (message) => assert.fail(message),
    now: () => node.clock.now
  })
  chronicle.subscribe((events) => heard.push(...events.map(({ kind, reason }) => `${kind} ${reason}`)))
  const say = async (change: Partial<Claim> = {}, by: Peer = bob): Promise<void> => {
    const claims = [claimOf(HOST, { until: SECONDS + 3600, ...change })]
    await node.ingest(seal(by, { issuedAt: node.clock.now++, claims }), by.id)
    told()
  }
  /** Time and friends have changed. */
  const review = async (): Promise<void> => {
    await node.ingest.review([HOST])
    told()
  }
  function told(): void {
    assert.deepEqual(node.failures, [])
    chronicle.committed()
  }
  return { node, heard, say, review }
}

test('a ban that its origin lifts has not expired, and one that has expired was not lifted', async () => {
  const { node, heard, say, review } = watched()
  await say()
  await say({ kind: 'unban' })
  assert.deepEqual(heard.splice(0), ['banned accepted', 'ended lifted'])
  await say({ until: SECONDS + 60 })
  node.clock.now += 59_000
  await review()
  assert.deepEqual(heard.splice(0), ['banned accepted'])
  node.clock.now += 1000
  await review()
  assert.deepEqual(heard, ['ended expired'])
})

test('a ban of our fail2ban that it lifts was lifted', async () => {
  const { node, heard, review } = watched()
  const own = (kind: Claim['kind'], issuedAt: number): Uint8Array =>
    seal(node.self, { issuedAt, claims: [claimOf(HOST, { kind, until: SECONDS + 60 })] })
  await node.ingest.own(own('ban', NOW), 'fail2ban')
  await node.ingest.own(own('unban', NOW + 1), 'fail2ban')
  await review()
  assert.deepEqual(heard, ['banned own', 'ended lifted'])
})

test('a ban that ends though somebody still says so was neither lifted, nor has it expired', async () => {
  const { node, heard, say, review } = watched()
  await say({}, dave)
  await say()
  await say({ kind: 'unban' })
  assert.deepEqual(heard.splice(0), ['held below-threshold', 'banned accepted', 'ended below-threshold'])
  await say()
  node.guard.protectedBy = () => 'vetoed'
  await review()
  assert.deepEqual(heard.splice(0), ['banned accepted', 'ended vetoed'])
  node.guard.protectedBy = () => null
  await review()
  node.friends.replace([])
  await review()
  assert.deepEqual(heard, ['banned accepted', 'ended no-evidence'])
})
