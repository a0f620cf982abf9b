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
 * | POST `/v1/import`              | `ImportRequest`            | `Imported`            |
 * | POST `/v1/pause`               |                            | `Paused`              |
 * | POST `/v1/resume`              |                            | `Paused`              |
 * | POST `/v1/flush`               |                            | `Flushed`             |
 * | GET `/v1/events`               |                            | a `LiveEvent` a line  |
 * | POST `/v1/rotation`            |                            | `Told`                |
 * | POST `/v1/hook`                | `HookEvent` (fail2ban's)   | `{}`                  |
 *
 * `/v1/events` goes on until the reader leaves: JSON documents, each ended by a line feed (application/x-ndjson). Who reads
 * too slowly is cut off.
 *
 * SUBJECT is percent-encoded. An error is `ApiError` with status 400 (bad input), 403 (refused by policy), 404, 413 (too large
 * a body), 415 (a body that is not `application/json`) or 500.
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
  readonly handoff: HandoffViews
  /** By jail of fail2ban's that is filled, and `nftables`. Empty: not measured, for one the daemon may not read the firewall. */
  readonly enforcement: readonly EnforcementView[]
  /** Bans of the mesh that were flushed, and are not handed over before a `resume` or a new verdict. */
  readonly flushed: number
  /** Somebody out there bans an address of this node or of a friend. The newest ones. */
  readonly alerts: readonly Alert[]
  /** Transfers between friends that are under way. */
  readonly sync: readonly SyncView[]
  /** Reports of friends that were not taken since the start, by reason. */
  readonly refused: Readonly<Record<string, number>>
  /** Who behaves like a friend and is none, the newest first: most likely they have added us. */
  readonly knocks: readonly KnockView[]
  /** `behind-nat`: others see us at an address that is not ours, and nobody from outside has reached us. */
  readonly reachability: 'direct' | 'behind-nat'
  /** Null: turned off, or it can't listen. */
  readonly web: WebView | null
  readonly lastError: string | null
}

/** `subject` touches an address of this node or of a friend; it is not banned here. */
export interface Alert {
  readonly subject: string
  readonly reason: 'own-address' | 'friend-address'
  /** Who says so, each once: the origin of the ban. */
  readonly by: readonly Accuser[]
}

export interface Accuser {
  readonly origin: string
  /** Ours for it, or null if it is no friend. */
  readonly name: string | null
  readonly jail: string
  /** The friends that brought it; names. */
  readonly via: readonly string[]
  /** Unix seconds at which the origin said so. */
  readonly since: number
}

/** The dashboard, and the file with the token that its actions need. */
export interface WebView {
  readonly url: string
  readonly tokenFile: string
}

export interface KnockView {
  readonly id: string
  /** A multiaddr: where it came from. */
  readonly address: string
  /** Unix seconds. */
  readonly lastSeen: number
  readonly count: number
}

/** Reports: so many of so many. */
export interface SyncView {
  readonly friend: string
  readonly sent: number
  readonly toSend: number
  readonly received: number
  readonly toReceive: number
}

/** Null: turned off. */
export interface HandoffViews {
  readonly log: HandoffView | null
  /** All of its jails together. */
  readonly fail2ban: HandoffView | null
  readonly nftables: HandoffView | null
  readonly exec: HandoffView | null
}

export interface HandoffView {
  /** Changes that are not handed over yet. */
  readonly pending: number
  readonly lastError: string | null
}

/** Listed is not blocked: what the firewall said a few minutes ago (`limits.enforcementCheckSeconds`) at most. */
export interface EnforcementView {
  readonly jail: string
  readonly listed: number
  readonly enforced: number
}

export interface FriendView {
  readonly id: string
  readonly name: string
  /** Percent. */
  readonly trust: number
  readonly observe: boolean
  readonly paused: boolean
  /** Unix seconds until which it is paused by itself, for it sent junk or far too much; null: it is not. */
  readonly pausedUntil: number | null
  readonly connected: boolean
  /** It is there and refuses us: most likely it has not added us. */
  readonly waiting: boolean
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
  /** Percent that its record speaks for; null: it is too short to say. Nothing changes by itself. */
  readonly suggestedTrust: number | null
}

export interface Reloaded {
  /** What could not be applied without a restart, as config keys. */
  readonly needsRestart: readonly string[]
}

/** Friends who have taken over this node's new peer ID. */
export interface Told {
  readonly told: number
  readonly total: number
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

/** At most `IMPORT_BATCH` at once. */
export interface ImportRequest {
  readonly jail: string
  readonly bans: readonly { readonly subject: string; readonly ttlSeconds: number }[]
}

export interface Imported {
  readonly said: number
  readonly refused: readonly { readonly subject: string; readonly reason: string }[]
}

/** Bans in one `ImportRequest`: as many as fit into one report. */
export const IMPORT_BATCH = 1000

export interface Paused {
  readonly paused: boolean
}

export interface Flushed {
  /** Bans of the mesh that are taken back. */
  readonly lifted: number
  /** Whether the hand-offs that are on can take a ban back at once: the watched log can't. */
  readonly atOnce: boolean
}

/** One thing that has happened. What does not apply is null. */
export interface LiveEvent {
  /** Unix ms. */
  readonly at: number
  /**
   * `watching`: the first line. `banned`, `held`, `ended`: a verdict. `handed-over`, `taken-back`: a hand-off has it.
   * `connected`, `gone`: a friend. `alert`: somebody bans an address of ours or a friend's. `command`: by the operator.
   * `skipped`: so many events were too many at once.
   */
  readonly kind:
    | 'watching'
    | 'banned'
    | 'held'
    | 'ended'
    | 'handed-over'
    | 'taken-back'
    | 'connected'
    | 'gone'
    | 'alert'
    | 'command'
    | 'skipped'
  readonly subject: string | null
  /** Percent. */
  readonly score: number | null
  readonly until: number | null
  readonly origins: number | null
  readonly jail: string | null
  /** Of a friend; of a hand-off (`log`, `fail2ban`); of a command. */
  readonly name: string | null
  /**
   * Why a verdict is as it is; of one that has ended also `expired`, or `lifted`: nobody says so any more. How many events
   * were skipped.
   */
  readonly reason: string | null
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
  /** Why it is not handed over though it should be banned here, or null. */
  readonly heldBack: 'paused' | 'flushed' | 'observed' | null
  readonly score: number
  readonly threshold: number
  readonly accepted: boolean
  readonly reason: string
  readonly until: number | null
  /** The narrowest accepted CIDR that bans it too, whatever is said about itself, or null. */
  readonly coveredBy: string | null
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
