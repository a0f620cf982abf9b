import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Claim } from '../../src/core/report.ts'
import type { Subject } from '../../src/core/subject.ts'
import { createCommands } from '../../src/daemon/commands.ts'
import { createHolds } from '../../src/store/holds.ts'
import { claimOf, createPeer, seal } from '../support/peers.ts'
import { createStand, NOW, trusting, type Stand } from './stand.ts'

const HOST = '198.51.100.7' as Subject
const OTHER = '198.51.100.8' as Subject
const SECONDS = NOW / 1000

const bob = createPeer()

function say(subject: Subject, issuedAt = NOW, change: Partial<Claim> = {}): Uint8Array {
  return seal(bob, { issuedAt, claims: [claimOf(subject, { until: SECONDS + 3600, ...change })] })
}

/** A claim of our own, by command. */
function command(node: Stand, subject: Subject, issuedAt = NOW): Promise<unknown> {
  const claims = [claimOf(subject, { until: SECONDS + 3600 })]
  return node.ingest.own(seal(node.self, { issuedAt, claims }), 'command')
}

function commandsOf(node: Stand) {
  const { ingest, verdicts, holds } = node
  const unused = {} as never
  const told: string[] = []
  const commands = createCommands({
    ours: unused,
    reviewing: unused,
    protections: unused,
    ingest,
    verdicts,
    holds,
    takesBack: () => true,
    config: () => unused,
    now: () => NOW,
    told: (name) => void told.push(name)
  })
  return { ...commands, told }
}

/** What the outbox holds, as `+SUBJECT` and `-SUBJECT`; and it is taken. */
function taken(node: Stand): string[] {
  const entries = node.handedOver()
  node.outbox.done('log', entries)
  return entries.map(({ action, subject }) => `${action === 'ban' ? '+' : '-'}${subject}`)
}

test('paused: nothing new is handed over, what ends is; resume makes good for it', async () => {
  const node = createStand([trusting(bob, 80)])
  const { pause, resume } = commandsOf(node)
  await node.ingest(say(HOST), bob.id)
  assert.deepEqual(taken(node), [`+${HOST}`])
  await pause()
  await node.ingest(say(OTHER, NOW + 1), bob.id)
  await command(node, '198.51.100.9' as Subject)
  assert.deepEqual(taken(node), [])
  assert.equal(node.verdicts.get(OTHER)?.accepted, true)
  await node.ingest.review([HOST, OTHER])
  assert.deepEqual(taken(node), [], 'a review hands nothing over either')
  await node.ingest(say(HOST, NOW + 2, { kind: 'unban' }), bob.id)
  assert.deepEqual(taken(node), [`-${HOST}`])
  await node.ingest(say(HOST, NOW + 3), bob.id)
  assert.deepEqual(taken(node), [])
  await resume()
  assert.deepEqual(taken(node).toSorted(), [`+${HOST}`, `+${OTHER}`, '+198.51.100.9'])
})

test('flush takes back the bans of the mesh and only those, until a new verdict', async () => {
  const node = createStand([trusting(bob, 80)])
  const { flush } = commandsOf(node)
  await node.ingest(say(HOST), bob.id)
  await command(node, OTHER)
  taken(node)
  assert.deepEqual(await flush(), { ok: true, value: { lifted: 1, atOnce: true } })
  assert.deepEqual(taken(node), [`-${HOST}`])
  assert.deepEqual(
    [...node.verdicts.wanted()].map(({ subject }) => subject),
    [OTHER]
  )
  await node.ingest.review([HOST])
  await node.ingest(say(HOST, NOW + 1, { jail: 'nginx' }), bob.id)
  assert.deepEqual(taken(node), [], 'more of the same is no new verdict')
  assert.equal(node.holds.count(), 1)
  for (const [jail, later] of [
    ['sshd', 2],
    ['nginx', 3]
  ] as const) {
    await node.ingest(say(HOST, NOW + later, { kind: 'unban', jail }), bob.id)
  }
  assert.equal(node.holds.count(), 0)
  await node.ingest(say(HOST, NOW + 4), bob.id)
  assert.deepEqual(taken(node), [`+${HOST}`])
})

test('after a flush the next bans are handed over as ever, and resume brings the old ones back', async () => {
  const node = createStand([trusting(bob, 80)])
  const { flush, resume, told } = commandsOf(node)
  await node.ingest(say(HOST), bob.id)
  taken(node)
  await flush()
  taken(node)
  await node.ingest(say(OTHER, NOW + 1), bob.id)
  assert.deepEqual(taken(node), [`+${OTHER}`])
  await resume()
  assert.deepEqual(taken(node), [`+${HOST}`])
  assert.deepEqual(told, ['flush', 'resume'])
})

test('a flushed subject that the operator bans by command is handed over', async () => {
  const node = createStand([trusting(bob, 80)])
  await node.ingest(say(HOST), bob.id)
  await commandsOf(node).flush()
  taken(node)
  await command(node, HOST)
  assert.deepEqual(taken(node), [`+${HOST}`])
})

test('paused and flushed: nothing is banned, and a restart changes nothing', async () => {
  const node = createStand([trusting(bob, 80)])
  const { pause, flush } = commandsOf(node)
  await node.ingest(say(HOST), bob.id)
  await pause()
  await flush()
  assert.deepEqual(taken(node), [`-${HOST}`])
  const again = createHolds(node.db)
  assert.equal(again.paused(), true)
  assert.equal(again.isFlushed(HOST), true)
  assert.equal(again.count(), 1)
  again.setPaused(false)
  again.forgetAll()
  const last = createHolds(node.db)
  assert.equal(last.paused(), false)
  assert.equal(last.isFlushed(HOST), false)
})

test('more verdicts than one page are flushed and come back', async () => {
  const node = createStand([trusting(bob, 80)], { claimsPerFriend: 5000 })
  const { flush, resume } = commandsOf(node)
  const count = 1001
  for (let from = 0; from < count; from += 1000) {
    const claims = Array.from({ length: Math.min(1000, count - from) }, (_, i) =>
      claimOf(`10.1.${(from + i) >> 8}.${(from + i) & 255}` as Subject, { until: SECONDS + 3600 })
    )
    await node.ingest(seal(bob, { issuedAt: NOW + from, claims }), bob.id)
  }
  assert.equal(node.outbox.count('log'), count)
  assert.partialDeepStrictEqual(await flush(), { value: { lifted: count } })
  assert.equal(
    node.handedOver().every(({ action }) => action === 'unban'),
    true
  )
  await resume()
  assert.equal(node.outbox.count('log'), count)
  assert.equal(
    node.handedOver().every(({ action }) => action === 'ban'),
    true
  )
})
