import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Subject } from '../../src/core/subject.ts'
import { ACCUSERS, ALERTS, createAlerts } from '../../src/daemon/alerts.ts'
import type { StoredClaim } from '../../src/store/ledger.ts'
import type { StoredVerdict } from '../../src/store/verdicts.ts'
import { createPeer } from '../support/peers.ts'

const HOST = '198.51.100.7' as Subject
const bob = createPeer().id
const carol = createPeer().id

function verdict(subject: Subject, reason: string): StoredVerdict {
  return { subject, reason } as StoredVerdict
}

function claim(origin: string, issuedAt: number): StoredClaim {
  const paths = [{ friend: bob, hops: [] }]
  return { origin, jail: 'sshd', until: 0, issuedAt, own: null, paths } as unknown as StoredClaim
}

function alertsOf(claims: readonly StoredClaim[]) {
  const friends = { get: (id: string) => (id === bob ? ({ name: 'bob' } as never) : undefined) }
  return createAlerts({ friends, claims: () => claims })
}

test('an alert names who says so, the first to say so first, and by whom it was told', () => {
  const alerts = alertsOf([claim(carol, 2000), claim(bob, 1000)])
  assert.equal(alerts.changed(HOST, verdict(HOST, 'friend-address')), true)
  assert.deepEqual(alerts.of(HOST), {
    subject: HOST,
    reason: 'friend-address',
    by: [
      { origin: bob, name: 'bob', jail: 'sshd', via: ['bob'], since: 1 },
      { origin: carol, name: null, jail: 'sshd', via: ['bob'], since: 2 }
    ]
  })
})

test('it is news once, and ends with the verdict or when the address is not ours any more', () => {
  const alerts = alertsOf([])
  alerts.load([verdict(HOST, 'own-address'), verdict('198.51.100.8' as Subject, 'accepted')])
  assert.equal(alerts.changed(HOST, verdict(HOST, 'own-address')), false)
  assert.equal(alerts.changed(HOST, verdict(HOST, 'friend-address')), true)
  assert.equal(alerts.changed(HOST, null), false)
  assert.deepEqual(alerts.view(), [])
  assert.equal(alerts.changed(HOST, verdict(HOST, 'own-address')), true)
  assert.equal(alerts.changed(HOST, verdict(HOST, 'accepted')), false)
  assert.equal(alerts.of(HOST), null)
})

test('the newest alerts are kept, and the first accusers of each named', () => {
  const alerts = alertsOf(Array.from({ length: ACCUSERS + 1 }, (_, i) => claim(carol, i * 1000)))
  const subjects = Array.from({ length: ALERTS + 1 }, (_, i) => `198.51.100.${i}` as Subject)
  for (const subject of subjects) alerts.changed(subject, verdict(subject, 'own-address'))
  const view = alerts.view()
  assert.deepEqual(
    view.map(({ subject }) => subject),
    subjects.slice(1).toReversed()
  )
  assert.deepEqual(
    view[0]!.by.map(({ since }) => since),
    Array.from({ length: ACCUSERS }, (_, i) => i)
  )
})
