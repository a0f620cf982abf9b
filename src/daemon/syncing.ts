/**
 * When to sync with whom: as soon as a friend is there, every few minutes while it is, and soon after a gap was noticed;
 * and what a session needs of the ledger. How a session goes is in mesh/sync.ts.
 */
import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { SyncView } from '../control/api.ts'
import { delayMs } from '../core/backoff.ts'
import type { PeerId } from '../core/report.ts'
import type { SyncPorts, SyncProgress } from '../mesh/sync-dialogue.ts'
import type { SyncOutcome } from '../mesh/sync-session.ts'
import type { Ledger } from '../store/ledger.ts'
import type { Friends } from './friends.ts'
import type { Ingest } from './ingest.ts'
import type { Offers } from './offers.ts'
import type { Outcome, Refusal } from './outcome.ts'

export interface SyncingOptions {
  readonly ledger: Ledger
  readonly friends: Friends
  readonly offers: Offers
  readonly ingest: Ingest
  /** What became of something that the friend sent, and that is not asked for again. */
  judge(friend: PeerId, outcome: Outcome): void
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
/** Between two tries to get a report past the friend's rate limit: at first, and after many. Each try decodes it. */
const OVER_RATE_MS = 250
const OVER_RATE_LONGEST_MS = 4000
/** Reports between two lines of progress in the log. */
const PROGRESS_REPORTS = 10_000

/** The friend may go on later; its reports are not to blame. */
const STOPPING: ReadonlySet<Refusal> = new Set<Refusal>([
  'not-a-friend',
  'paused',
  'breaker',
  'internal-error',
  'over-quota'
])
const PATIENT: ReadonlySet<Refusal> = new Set<Refusal>(['over-rate', 'queue-full'])

interface Plan {
  timer: NodeJS.Timeout | undefined
  failures: number
  progress: SyncProgress | null
  /** A session is due soon because of a gap; more gaps do not put it off. */
  gap: boolean
  reported: number
}

export function createSyncing(options: SyncingOptions): Syncing {
  const { ledger, friends, offers, ingest, logger, random } = options
  /** Of the friends who are there. */
  const plans = new Map<PeerId, Plan>()

  function schedule(id: PeerId, plan: Plan, ms: number): void {
    clearTimeout(plan.timer)
    plan.timer = setTimeout(() => void open(id, plan), ms)
  }

  async function open(id: PeerId, plan: Plan): Promise<void> {
    const outcome = await options.sync(id)
    // Of a session that was never begun nobody hears an end.
    if (outcome.kind !== 'ended' || outcome.reason !== 'at-capacity' || plans.get(id) !== plan) return
    plan.gap = false
    schedule(id, plan, delayMs(plan.failures++, random()))
  }

  async function take(envelope: Uint8Array, from: PeerId): Promise<{ ok: boolean; stop?: boolean }> {
    for (let waitMs = OVER_RATE_MS; ; waitMs = Math.min(2 * waitMs, OVER_RATE_LONGEST_MS)) {
      const outcome = await ingest(envelope, from)
      if (outcome.kind !== 'refused') return { ok: true }
      if (!PATIENT.has(outcome.reason)) {
        options.judge(from, outcome)
        return { ok: false, stop: STOPPING.has(outcome.reason) }
      }
      if (!plans.has(from)) return { ok: false, stop: true }
      await delay(waitMs)
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
      offers: (id) => ledger.paths.offers(id),
      holds: (id) => ledger.paths.holds(id),
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
      const plan: Plan = { timer: undefined, failures: 0, progress: null, gap: false, reported: 0 }
      plans.set(id, plan)
      schedule(id, plan, 0)
    },
    gap(id) {
      const plan = plans.get(id)
      if (plan === undefined || plan.progress !== null || plan.gap) return
      plan.gap = true
      schedule(id, plan, GAP_MS)
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
      plan.gap = false
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
