/** What is told of what happens: to who watches, to the audit log, and as alerts. The composition root feeds it. */
import type { Logger } from 'pino'
import type { Alert, LiveEvent } from '../control/api.ts'
import type { PeerId } from '../core/report.ts'
import type { Subject } from '../core/subject.ts'
import type { Outbox, OutboxEntry, Target } from '../store/outbox.ts'
import type { StoredVerdict } from '../store/verdicts.ts'
import { createAlerts } from './alerts.ts'
import { auditPath } from './audit-path.ts'
import { createAudit } from './audit.ts'
import type { Config } from './config.ts'
import type { Friends } from './friends.ts'
import { schedule } from './handoffs.ts'
import type { Judging } from './judging.ts'
import { createLive } from './live.ts'
import type { Views } from './views.ts'

export interface ChronicleOptions {
  readonly friends: Friends
  readonly logger: Logger
  judging(): Judging
  views(): Pick<Views, 'judged'>
  config(): Config
  report(message: string, detail?: Record<string, unknown>): void
  /** Unix ms. */
  now(): number
}

export interface Chronicle {
  load(verdicts: Iterable<StoredVerdict>): void
  /** Inside the ledger's transaction. */
  changed(subject: Subject, before: StoredVerdict | null, after: StoredVerdict | null): void
  committed(): void
  /** The transaction was rolled back. */
  discarded(): void
  friend(id: PeerId, ready: boolean): void
  command(command: string, detail?: Readonly<Record<string, unknown>>): void
  /** The outbox, with an eye on what leaves it. */
  watched(outbox: Outbox): Outbox
  alerts(): Alert[]
  subscribe(happened: (events: readonly LiveEvent[]) => void): () => void
  /** Before the ledger is closed. */
  stop(): void
}

export function createChronicle(options: ChronicleOptions): Chronicle {
  const { friends, logger, now } = options
  const live = createLive(now)
  const alerts = createAlerts({ friends, claims: (subject) => options.judging().explain(subject).claims })
  const audit = createAudit({
    path: () => auditPath(options.config()),
    why: (subject) => options.views().judged(subject),
    now,
    schedule,
    failed: (error) => options.report("the audit log can't be written", { error })
  })
  let alarmed: Subject[] = []

  function verdictEvent(before: StoredVerdict | null, after: StoredVerdict | null): LiveEvent['kind'] | null {
    if (after?.accepted === true) return before?.accepted === true ? null : 'banned'
    if (before?.accepted === true) return 'ended'
    return after !== null && (before === null || before.score !== after.score) ? 'held' : null
  }

  /** Its time has come, who said so has taken it back, or what is left of it does not count any more. */
  function endOf({ subject, until }: StoredVerdict): string {
    if (until * 1000 <= now()) return 'expired'
    const { verdict, claims } = options.judging().explain(subject)
    return claims.length === 0 ? 'lifted' : verdict.reason
  }

  return {
    load: alerts.load,
    changed(subject, before, after) {
      const { score, until, origins, jail, reason } = (after ?? before)!
      const about = { subject, score: score / 10_000, until, origins, jail, reason }
      if (alerts.changed(subject, after)) {
        alarmed.push(subject)
        live.stage({ ...about, kind: 'alert' })
      }
      const kind = verdictEvent(before, after)
      if (kind !== null) live.stage({ ...about, kind, reason: after === null ? endOf(before!) : reason })
    },
    committed() {
      live.publish()
      for (const subject of alarmed.splice(0)) {
        const alert = alerts.of(subject)
        if (alert !== null) logger.warn(alert, `somebody out there bans an address of ${whose(alert)}`)
      }
    },
    discarded() {
      live.discard()
      alarmed = []
    },
    friend(id, ready) {
      live.tell({ kind: ready ? 'connected' : 'gone', name: friends.get(id)?.name ?? id })
    },
    command(command, detail = {}) {
      audit.command(command, detail)
      const { subject } = detail
      live.tell({ kind: 'command', name: command, subject: typeof subject === 'string' ? subject : null })
      logger.info({ command, ...detail }, 'by the operator')
    },
    watched: (outbox) => ({
      ...outbox,
      done(target: Target, entries: readonly OutboxEntry[]) {
        outbox.done(target, entries)
        audit.handedOver(target, entries)
        for (const { action, subject, score, until, origins, jail } of entries) {
          const kind = action === 'ban' ? 'handed-over' : 'taken-back'
          live.stage({ kind, name: target, subject, score: score / 10_000, until, origins, jail })
        }
        live.publish()
      }
    }),
    alerts: alerts.view,
    subscribe: live.subscribe,
    stop: audit.stop
  }
}

function whose({ reason }: Alert): string {
  return reason === 'own-address' ? 'this node' : 'a friend'
}
