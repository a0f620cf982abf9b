/**
 * When to sync with whom: as soon as a friend is there, every few minutes while it is, and soon after a gap was noticed;
 * and what a session needs of the ledger. How a session goes is in mesh/sync.ts.
 */
import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { SyncView } from '../control/api.ts'
import { delayMs } from '../core/backoff.ts'
import { toItemSet } from '../core/reconcile-items.ts'
import type { PeerId } from '../core/report.ts'
import type { SyncPorts, SyncProgress } from '../mesh/sync-dialogue.ts'
import type { SyncOutcome } from '../mesh/sync-session.ts'
import type { Ledger } from '../store/ledger.ts'
import type { Friends } from './friends.ts'
import type { Ingest } from './ingest.ts'
import type { Offers } from './offers.ts'
import type { Refusal } from './outcome.ts'

export interface SyncingOptions {
  readonly ledger: Ledger
  readonly friends: Friends
  readonly offers: Offers
  readonly ingest: Ingest
  readonly logger: Logger
  /** Opens a session. */
  sync(friend: PeerId): Promise<SyncOutcome>
  /** From 0 to 1. */
  random(): number
}

export interface Syncing {
  readonly ports: SyncPorts
  /** A friend has come or gone. */
  friend(id: PeerId, ready: boolean): void
  /** Something that the friend sent was not taken and should be fetched soon. */
  gap(id: PeerId): void
  /** A session has ended, whoever opened it. */
  ended(id: PeerId, outcome: SyncOutcome): void
  view(): SyncView[]
  stop(): void
}

/** Between two sessions with a friend; each wait is between half and one and a half times that. */
const INTERVAL_MS = 5 * 60_000
/** After a gap was noticed; more gaps meanwhile share the session. */
const GAP_MS = 1000
/** Between two tries to get a report past the friend's rate limit. */
const OVER_RATE_MS = 250
/** Reports between two lines of progress in the log. */
const PROGRESS_REPORTS = 10_000

/** The friend may go on later; its reports are not to blame. */
const STOPPING: ReadonlySet<Refusal> = new Set<Refusal>(['not-a-friend', 'paused', 'internal-error', 'over-quota'])
const PATIENT: ReadonlySet<Refusal> = new Set<Refusal>(['over-rate', 'queue-full'])

interface Plan {
  timer: NodeJS.Timeout | undefined
  failures: number
  progress: SyncProgress | null
  reported: number
}

export function createSyncing(options: SyncingOptions): Syncing {
  const { ledger, friends, offers, ingest, logger, random } = options
  /** Of the friends who are there. */
  const plans = new Map<PeerId, Plan>()

  function schedule(id: PeerId, plan: Plan, ms: number): void {
    clearTimeout(plan.timer)
    plan.timer = setTimeout(() => void options.sync(id), ms)
  }

  async function take(envelope: Uint8Array, from: PeerId): Promise<{ ok: boolean; stop?: boolean }> {
    for (;;) {
      const outcome = await ingest(envelope, from)
      if (outcome.kind !== 'refused') return { ok: true }
      if (!PATIENT.has(outcome.reason)) return { ok: false, stop: STOPPING.has(outcome.reason) }
      if (!plans.has(from)) return { ok: false, stop: true }
      await delay(OVER_RATE_MS)
    }
  }

  function progress(id: PeerId, now: SyncProgress): void {
    const plan = plans.get(id)
    if (plan === undefined) return
    plan.progress = now
    if (now.sent + now.received < plan.reported + PROGRESS_REPORTS) return
    plan.reported = now.sent + now.received
    logger.info({ friend: id, name: friends.get(id)?.name, ...now }, 'syncing')
  }

  return {
    ports: {
      offers: (id) => toItemSet(ledger.paths.offers(id)),
      holds: (id) => toItemSet(ledger.paths.holds(id)),
      serve: (_id, rows) => offers.envelopes(rows),
      ingest: take,
      progress,
      random: (bytes) => randomBytes(bytes)
    },
    friend(id, ready) {
      clearTimeout(plans.get(id)?.timer)
      if (!ready) {
        plans.delete(id)
        return
      }
      const plan: Plan = { timer: undefined, failures: 0, progress: null, reported: 0 }
      plans.set(id, plan)
      schedule(id, plan, 0)
    },
    gap(id) {
      const plan = plans.get(id)
      if (plan !== undefined && plan.progress === null) schedule(id, plan, GAP_MS)
    },
    ended(id, outcome) {
      const { kind, sent, received, accepted, rounds, bytes } = outcome
      const reason = outcome.kind === 'ended' ? outcome.reason : undefined
      const level = sent + received > 0 ? 'info' : 'debug'
      logger[level](
        { friend: id, name: friends.get(id)?.name, kind, reason, sent, received, accepted, rounds, bytes },
        'synced'
      )
      const plan = plans.get(id)
      if (plan === undefined) return
      plan.progress = null
      plan.reported = 0
      plan.failures = kind === 'done' ? 0 : plan.failures + 1
      schedule(id, plan, kind === 'done' ? INTERVAL_MS * (0.5 + random()) : delayMs(plan.failures - 1, random()))
    },
    view: () => [...plans].flatMap(([id, plan]) => (plan.progress === null ? [] : [{ friend: id, ...plan.progress }])),
    stop() {
      for (const { timer } of plans.values()) clearTimeout(timer)
      plans.clear()
    }
  }
}
