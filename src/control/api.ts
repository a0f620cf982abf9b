/**
 * The control API: HTTP/JSON on the daemon's unix socket, under `/v1/`. The routes mirror the commands.
 *
 * | method and path                | body                       | answer                |
 * | ------------------------------ | -------------------------- | --------------------- |
 * | GET `/v1/status`               |                            | `Status`              |
 * | GET `/v1/id`                   |                            | `Identity`            |
 * | GET `/v1/friends`              |                            | `FriendView[]`        |
 * | POST `/v1/reload`              |                            | `Reloaded`            |
 * | POST `/v1/bans`                | `BanRequest`               | `Banned`              |
 * | DELETE `/v1/bans/SUBJECT`      |                            | `Unbanned`            |
 * | DELETE `/v1/vetoes/SUBJECT`    |                            | `Unbanned`            |
 * | GET `/v1/verdicts?all=true`    |                            | `VerdictView[]`       |
 * | GET `/v1/why/SUBJECT`          |                            | `Why`                 |
 * | GET `/v1/check/SUBJECT`        |                            | `Checked`             |
 * | POST `/v1/hook`                | `HookEvent` (fail2ban's)   | `{}`                  |
 *
 * SUBJECT is percent-encoded. An error is `ApiError` with status 400 (bad input), 403 (refused by policy), 404 or 500.
 * Times called `until` are Unix seconds; scores and trusts are percent with at most four decimals.
 */

export interface ApiError {
  readonly error: { readonly reason: string; readonly message: string; readonly hint?: string }
}

export interface Identity {
  readonly peerId: string
  readonly addresses: readonly string[]
  readonly network: string
}

export interface Status {
  readonly peerId: string
  readonly version: string
  readonly network: string
  readonly uptimeSeconds: number
  readonly mode: 'enforce' | 'observe'
  readonly paused: boolean
  readonly listen: readonly string[]
  readonly friends: { readonly total: number; readonly connected: number }
  readonly dht: { readonly enabled: boolean; readonly peers: number; readonly protocol: string }
  readonly reports: number
  readonly claims: number
  readonly verdicts: { readonly accepted: number; readonly held: number }
  readonly handoff: { readonly log: HandoffView | null; readonly fail2ban: HandoffView | null }
  /** Transfers between friends that are under way. */
  readonly sync: readonly SyncView[]
  /** Reports of friends that were not taken since the start, by reason. */
  readonly refused: Readonly<Record<string, number>>
  readonly lastError: string | null
}

/** Reports: so many of so many. */
export interface SyncView {
  readonly friend: string
  readonly sent: number
  readonly toSend: number
  readonly received: number
  readonly toReceive: number
}

export interface HandoffView {
  /** Changes that are not handed over yet. */
  readonly pending: number
  readonly lastError: string | null
}

export interface FriendView {
  readonly id: string
  readonly name: string
  /** Percent. */
  readonly trust: number
  readonly observe: boolean
  readonly paused: boolean
  readonly connected: boolean
  readonly addresses: readonly string[]
  /** Unix seconds, or null if never. */
  readonly lastSeen: number | null
  readonly rttMs: number | null
  readonly stats: {
    readonly reports: number
    readonly accepted: number
    readonly confirmed: number
    readonly disputed: number
    readonly rejected: number
  }
}

export interface Reloaded {
  /** What could not be applied without a restart, as config keys. */
  readonly needsRestart: readonly string[]
}

export interface BanRequest {
  readonly subject: string
  /** Default `manual`. */
  readonly jail?: string
  /** Default `policy.maxBanTime`. */
  readonly ttlSeconds?: number
}

export interface Banned {
  readonly subject: string
  readonly reportId: string
  readonly until: number
}

export interface Unbanned {
  readonly subject: string
  /** The report that lifts the own claim, or null if there was none. */
  readonly reportId: string | null
  readonly vetoed: boolean
}

export interface VerdictView {
  readonly subject: string
  /** Percent. */
  readonly score: number
  readonly accepted: boolean
  readonly until: number
  /** How many origins' live claims stand behind it. */
  readonly origins: number
  /** `own` if this node's own claim is among the evidence, else `mesh`. */
  readonly source: 'own' | 'mesh'
}

export interface Why {
  readonly subject: string
  readonly score: number
  readonly threshold: number
  readonly accepted: boolean
  readonly reason: string
  readonly until: number | null
  readonly evidence: readonly {
    readonly origin: string
    readonly jail: string
    readonly until: number
    /** Percent: the product of the trusts along `path`. */
    readonly confidence: number
    /** From the friend who told us to the origin, each with the trust that the node before it has in it. */
    readonly path: readonly { readonly peer: string; readonly name: string | null; readonly trust: number }[]
  }[]
}

export interface Checked {
  readonly subject: string
  readonly banned: boolean
  /** The accepted subject that covers it, or null. */
  readonly by: string | null
}

/** What fail2ban's action saw. */
export interface HookEvent {
  readonly event: 'ban' | 'unban' | 'prolong' | 'flush' | 'start' | 'stop'
  readonly jail: string
  readonly ip?: string
  /** Unix seconds at which fail2ban banned. */
  readonly time?: number
  /** Seconds; -1 is for ever. */
  readonly banTime?: number
  readonly failures?: number
}
