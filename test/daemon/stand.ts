/** A node without a network: ledger, ingest and judging as in the daemon, with a clock of the test's. */
import assert from 'node:assert/strict'
import type { Policy } from '../../src/core/judge.ts'
import { createProtection } from '../../src/core/protection.ts'
import type { PeerId } from '../../src/core/report.ts'
import type { Subject } from '../../src/core/subject.ts'
import { createCounters } from '../../src/daemon/counters.ts'
import { createFriends, type Friend } from '../../src/daemon/friends.ts'
import { createIngest } from '../../src/daemon/ingest.ts'
import { createJudging, type JudgingOptions } from '../../src/daemon/judging.ts'
import { createOffers } from '../../src/daemon/offers.ts'
import { openDatabase } from '../../src/store/database.ts'
import { createHolds } from '../../src/store/holds.ts'
import { createLedger } from '../../src/store/ledger.ts'
import { createOutbox } from '../../src/store/outbox.ts'
import { createVerdicts } from '../../src/store/verdicts.ts'
import { createPeer, NETWORK, type Peer } from '../support/peers.ts'

/** Unix ms. */
export const NOW = 1_700_000_000_000

export const POLICY: Policy = {
  rule: 'flow',
  threshold: 800_000,
  quorum: 1,
  maxBanTimeSeconds: 7 * 24 * 3600,
  jails: new Map([
    ['*', { accept: true, threshold: null, jail: null }],
    ['web', { accept: true, threshold: null, jail: 'web-mesh' }]
  ])
}

export type Stand = ReturnType<typeof createStand>

export function trusting({ id }: Peer, percent: number): Friend {
  return { id, name: id.slice(-4), trust: percent * 10_000, observe: false, paused: false, jails: ['*'], addresses: [] }
}

export interface StandLimits {
  readonly queue?: number
  readonly friendQueue?: number
  readonly friendQueueBytes?: number
  readonly claimsPerFriend?: number
  readonly bytesPerFriend?: number
  readonly claimsPerSubject?: number
  /** Default: friends may bring as much as they like. */
  readonly admit?: (friend: PeerId, claims: number) => boolean
  /** Default: nobody is told. */
  readonly changed?: JudgingOptions['changed']
}

export function createStand(list: readonly Friend[], limits: StandLimits = {}) {
  const opened = openDatabase(':memory:')
  assert(opened.ok)
  const db = opened.value
  const self = createPeer()
  const clock = { now: NOW }
  const now = (): number => clock.now
  const ledger = createLedger(db)
  const verdicts = createVerdicts(db)
  const outbox = createOutbox(db)
  const holds = createHolds(db)
  const friends = createFriends(list)
  const counters = createCounters()
  const relayed: Uint8Array[] = []
  const failures: unknown[] = []
  const shutOut = new Set<PeerId>()
  /** Somebody, to whom all is news. */
  const hearers = new Set([createPeer().id])
  const guard = {
    protectedBy: createProtection({ allowlist: [], own: [], friends: [], vetoes: [], protectReserved: false })
      .protectedBy
  }
  const judging = createJudging({
    ledger,
    verdicts,
    outbox,
    friends,
    holds,
    policy: () => POLICY,
    protectedBy: (subject: Subject) => guard.protectedBy(subject),
    claimsPerSubject: () => limits.claimsPerSubject ?? 1000,
    targets: () => ['log', 'nftables', 'fail2ban:web-mesh'],
    takes: (target, { localJail }) => target !== 'fail2ban:web-mesh' || localJail === 'web-mesh',
    followsUntil: (target) => target === 'nftables',
    now,
    changed: limits.changed ?? (() => undefined)
  })
  const offers = createOffers({ ledger, friends, self: self.id, limits: () => ({ maxHops: 6, relayFloor: 50_000 }) })
  const ingest = createIngest({
    db,
    ledger,
    friends,
    self: self.id,
    network: NETWORK,
    limits: () => ({
      queue: 100,
      friendQueue: 100,
      friendQueueBytes: 1e9,
      maxHops: 6,
      claimsPerFriend: 1000,
      bytesPerFriend: 1e9,
      ...limits
    }),
    offers,
    now,
    admit: limits.admit ?? (() => true),
    isShutOut: (friend) => shutOut.has(friend),
    isCrowded: (subject, friend) => judging.isCrowded(subject, friend),
    review: (subject) => judging.review(subject),
    hearers: () => hearers,
    relay: (envelope) => void relayed.push(envelope),
    committed: () => undefined,
    failed: (error) => void failures.push(error),
    counted: (from, outcome) => counters.count(from, outcome)
  })
  const handedOver = () => outbox.pending('log', 1000)
  return {
    db,
    self,
    clock,
    ledger,
    verdicts,
    outbox,
    holds,
    friends,
    counters,
    offers,
    judging,
    ingest,
    relayed,
    hearers,
    failures,
    shutOut,
    guard,
    handedOver
  }
}
