/**
 * The bounds that an operator may set under `limits:`. The bounds of the protocol itself, on which nodes must agree, are
 * in core/limits.ts. One table, so that schema, types, defaults and the commented file that `init` writes can't differ.
 */

interface LimitRow {
  readonly default: number
  /** The least and the most that the config takes. */
  readonly min: number
  readonly max: number
  readonly unit: string
  readonly doc: string
}

function row(value: number, unit: string, doc: string, min = 1, max = 1_000_000_000): LimitRow {
  return { default: value, min, max, unit, doc }
}

export const LIMITS = {
  maxConnections: row(300, 'connections', 'with friends and strangers together; friends are never refused', 1, 100_000),
  maxPendingHandshakes: row(64, 'connections', 'inbound ones that have not proven their peer ID yet', 1, 10_000),
  ingestQueue: row(4096, 'envelopes', 'received and not looked at yet, of all friends together'),
  friendQueue: row(1024, 'envelopes', 'of these, of one friend', 256),
  friendQueueBytes: row(8 * 1024 * 1024, 'bytes', 'of these envelopes, of one friend', 256 * 1024),
  friendReportsPerMinute: row(60_000, 'reports/min', 'taken from one friend, after its burst'),
  friendBurst: row(20_000, 'reports', 'that one friend may bring at once'),
  friendClaimsPerMinute: row(1_000_000, 'claims/min', 'taken from one friend, after its burst'),
  friendClaimBurst: row(1_000_000, 'claims', 'that one friend may bring at once', 1000),
  claimsPerFriend: row(1_000_000, 'claims', 'live at the same time that came in by one friend'),
  bytesPerFriend: row(
    256 * 1024 * 1024,
    'bytes',
    'of the reports that hold these claims, as they were signed',
    256 * 1024
  ),
  claimsPerSubject: row(2000, 'claims', 'live about one subject that came in by one friend; more change no score'),
  friendSyncsPerMinute: row(12, 'syncs/min', 'that one friend may open, after as many at once', 1, 6000),
  breakerForgiven: row(5000, 'offences', 'a minute, of one friend: junk, and more than its rate; beyond, it is paused'),
  breakerSeconds: row(60, 's', 'of the first such pause; each further one is twice as long, up to an hour', 1, 3600),
  relayFloorPercent: row(5, '%', 'confidence below which a report is not passed on', 0, 100),
  allowlistRefreshSeconds: row(300, 's', "between two look-ups of the allowlist's host names", 1, 86_400),
  enforcementCheckSeconds: row(300, 's', 'between two looks whether the firewall blocks what is listed', 1, 86_400)
} as const

export type LimitName = keyof typeof LIMITS

export type Limits = { readonly [Name in LimitName]: number }

export const LIMIT_NAMES = Object.keys(LIMITS) as LimitName[]

/** What `limits` names, the rest by default. */
export function withDefaults(named: Partial<Record<LimitName, number>>): Limits {
  return Object.fromEntries(LIMIT_NAMES.map((name) => [name, named[name] ?? LIMITS[name].default])) as Limits
}
