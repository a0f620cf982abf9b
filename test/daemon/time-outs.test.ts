import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PeerId } from '../../src/core/report.ts'
import { createFriends } from '../../src/daemon/friends.ts'
import { createTimeOuts } from '../../src/daemon/time-outs.ts'
import { trusting } from './stand.ts'

const bob = { ...trusting({ id: 'bob' as PeerId, key: null as never }, 80), name: 'bob' }

function create() {
  const acts: string[] = []
  const friends = createFriends([bob])
  const timeOuts = createTimeOuts({
    friends,
    mesh: () => ({
      suspendFriend: (id) => void acts.push(`suspend ${id}`),
      async addFriend({ id }) {
        acts.push(`add ${id}`)
      }
    }),
    report: (message) => void acts.push(message),
    now: () => 0
  })
  return { acts, friends, timeOuts }
}

test('a friend is cut off after the message that was one too many, and taken back when its time is over', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout', 'setImmediate'] })
  const { acts, timeOuts } = create()
  timeOuts.begin(bob.id, 60_000)
  assert.deepEqual(acts.splice(0), ['the friend bob sends junk or far too much: paused for 60 seconds'])
  t.mock.timers.tick(59_999)
  assert.deepEqual(acts.splice(0), ['suspend bob'])
  t.mock.timers.tick(1)
  assert.deepEqual(acts, ['add bob'])
})

test('the operator ends it early; one who is no friend any more, or was never out, is not taken back', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout', 'setImmediate'] })
  const { acts, friends, timeOuts } = create()
  timeOuts.end(bob.id)
  timeOuts.begin(bob.id, 60_000)
  timeOuts.end(bob.id)
  timeOuts.begin(bob.id, 60_000)
  friends.replace([])
  t.mock.timers.tick(60_000)
  assert.deepEqual(
    acts.filter((act) => act.startsWith('add')),
    ['add bob']
  )
  timeOuts.begin(bob.id, 60_000)
  timeOuts.stop()
  friends.replace([bob])
  t.mock.timers.tick(60_000)
  assert.equal(acts.filter((act) => act.startsWith('add')).length, 1)
})
