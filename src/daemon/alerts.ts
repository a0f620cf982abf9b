/** Addresses of ours or of a friend's that somebody out there bans: who they are is kept here, who says so is looked up. */
import type { Accuser, Alert } from '../control/api.ts'
import type { Subject } from '../core/subject.ts'
import type { StoredClaim } from '../store/ledger.ts'
import type { StoredVerdict } from '../store/verdicts.ts'
import type { Friends } from './friends.ts'

/** Alerts that are remembered; of more, the newest. Somebody may ban a whole network address by address. */
export const ALERTS = 100
/** Origins that are named with each. */
export const ACCUSERS = 10

export interface AlertsOptions {
  readonly friends: Pick<Friends, 'get'>
  claims(subject: Subject): readonly StoredClaim[]
}

export interface Alerts {
  /** What was there when the daemon started. */
  load(verdicts: Iterable<StoredVerdict>): void
  /** True if this is a new alert. */
  changed(subject: Subject, after: StoredVerdict | null): boolean
  /** The newest first. */
  view(): Alert[]
  of(subject: Subject): Alert | null
}

export const ALERT_REASONS = ['own-address', 'friend-address'] as const

function alertReason(reason: string | undefined): Alert['reason'] | null {
  return ALERT_REASONS.find((known) => known === reason) ?? null
}

export function createAlerts({ friends, claims }: AlertsOptions): Alerts {
  const alerts = new Map<Subject, Alert['reason']>()

  function changed(subject: Subject, after: StoredVerdict | null): boolean {
    const reason = alertReason(after?.reason)
    const known = alerts.get(subject)
    if (reason === null) alerts.delete(subject)
    if (reason === null || reason === known) return false
    alerts.delete(subject)
    alerts.set(subject, reason)
    if (alerts.size > ALERTS) alerts.delete(alerts.keys().next().value!)
    return true
  }

  function accusers(subject: Subject): Accuser[] {
    return claims(subject)
      .filter(({ own }) => own === null)
      .toSorted((a, b) => a.issuedAt - b.issuedAt)
      .slice(0, ACCUSERS)
      .map(({ origin, jail, issuedAt, paths }) => ({
        origin,
        name: friends.get(origin)?.name ?? null,
        jail,
        via: paths.map(({ friend }) => friends.get(friend)?.name ?? friend),
        since: Math.floor(issuedAt / 1000)
      }))
  }

  function of(subject: Subject): Alert | null {
    const reason = alerts.get(subject)
    return reason === undefined ? null : { subject, reason, by: accusers(subject) }
  }

  return {
    load(verdicts) {
      for (const verdict of verdicts) changed(verdict.subject, verdict)
    },
    changed,
    view: () => [...alerts.keys()].toReversed().flatMap((subject) => of(subject) ?? []),
    of
  }
}
