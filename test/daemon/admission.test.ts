import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PeerId } from '../../src/core/report.ts'
import { createAdmission } from '../../src/daemon/admission.ts'
import { withDefaults } from '../../src/daemon/config-limits.ts'
import type { Refusal } from '../../src/daemon/outcome.ts'

const BOB = 'bob' as PeerId
const CAROL = 'carol' as PeerId
const refused = (reason: Refusal) => ({ kind: 'refused', reason }) as const

function create() {
  const clock = { now: 1_700_000_000_000 }
  const tripped: (readonly [PeerId, number])[] = []
  const limits = { breakerForgiven: 3, breakerSeconds: 60, friendSyncsPerMinute: 2, friendBurst: 2 }
  const admission = createAdmission({
    limits: () => withDefaults({ ...limits, friendReportsPerMinute: 60 }),
    now: () => clock.now,
    tripped: (friend, until) => tripped.push([friend, until - clock.now])
  })
  return { admission, clock, tripped }
}

test('reports and sync sessions are admitted up to their bursts, friend by friend, and again later', () => {
  const { admission, clock } = create()
  assert.deepEqual(
    [1, 2, 3].map(() => admission.admit(BOB, 1)),
    [true, true, false]
  )
  assert.deepEqual(
    [1, 2, 3].map(() => admission.admitSync(BOB)),
    [true, true, false]
  )
  assert.equal(admission.admit(CAROL, 1), true)
  clock.now += 30_000
  assert.deepEqual([admission.admit(BOB, 1), admission.admitSync(BOB), admission.admitSync(BOB)], [true, true, false])
})

test('a clock that is set back locks no friend out, and blames none', () => {
  const { admission, clock, tripped } = create()
  const admitted = (): boolean[] => [admission.admit(BOB, 1), admission.admit(BOB, 1), admission.admit(BOB, 1)]
  for (let i = 0; i < 2; i++) admission.judge(BOB, refused('over-rate'))
  assert.deepEqual([...admitted(), admission.admitSync(BOB)], [true, true, false, true])
  clock.now -= 6 * 60_000
  assert.deepEqual([...admitted(), admission.admitSync(BOB)], [true, true, false, true])
  admission.judge(BOB, refused('over-rate'))
  assert.deepEqual(tripped, [])
})

test('junk and what is over the rate trips the breaker of that friend, once, and what an honest friend may do does not', () => {
  const { admission, clock, tripped } = create()
  for (let i = 0; i < 100; i++) {
    for (const reason of ['stale', 'future', 'queue-full', 'over-quota', 'own-hop', 'crowded', 'breaker'] as const) {
      admission.judge(BOB, refused(reason))
    }
    admission.judge(BOB, { kind: 'duplicate', reportId: 'x' as never })
  }
  assert.deepEqual([tripped, admission.pausedUntil(BOB)], [[], null])
  for (const reason of ['over-rate', 'bad-signature', 'not-cbor'] as const) admission.judge(BOB, refused(reason))
  assert.equal(admission.pausedUntil(BOB), null)
  for (let i = 0; i < 10; i++) admission.judge(BOB, refused('wrong-last-hop'))
  assert.deepEqual(tripped, [[BOB, 60_000]])
  assert.deepEqual([admission.pausedUntil(BOB), admission.pausedUntil(CAROL)], [clock.now + 60_000, null])
  clock.now += 60_000
  assert.equal(admission.pausedUntil(BOB), null)
})

test('asking for sync without end trips the breaker too, and the operator can forgive', () => {
  const { admission, tripped } = create()
  for (let i = 0; i < 6; i++) admission.admitSync(BOB)
  assert.equal(tripped.length, 1)
  admission.forgive(BOB)
  assert.deepEqual([admission.pausedUntil(BOB), admission.admitSync(BOB)], [null, true])
})
