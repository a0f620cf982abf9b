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
  friendReportsPerMinute: row(60_000, 'reports/min', 'taken from one friend, after its burst'),
  friendBurst: row(20_000, 'reports', 'that one friend may bring at once'),
  friendClaimsPerMinute: row(1_000_000, 'claims/min', 'taken from one friend, after its burst'),
  friendClaimBurst: row(1_000_000, 'claims', 'that one friend may bring at once', 1000),
  claimsPerFriend: row(1_000_000, 'claims', 'live at the same time that came in by one friend'),
  relayFloorPercent: row(5, '%', 'confidence below which a report is not passed on', 0, 100),
  allowlistRefreshSeconds: row(300, 's', "between two look-ups of the allowlist's host names", 1, 86_400)
} as const

export type LimitName = keyof typeof LIMITS

export type Limits = { readonly [Name in LimitName]: number }

export const LIMIT_NAMES = Object.keys(LIMITS) as LimitName[]

/** What `limits` names, the rest by default. */
export function withDefaults(named: Partial<Record<LimitName, number>>): Limits {
  return Object.fromEntries(LIMIT_NAMES.map((name) => [name, named[name] ?? LIMITS[name].default])) as Limits
}
