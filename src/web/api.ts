/**
 * What the dashboard's page and its server say to each other. No imports: the page compiles this file too, and takes only
 * types from it.
 *
 * | method and path           | body          | token | answer                              |
 * | ------------------------- | ------------- | ----- | ----------------------------------- |
 * | GET `/api/overview`       |               |       | `Overview`                          |
 * | GET `/api/verdicts`       |               |       | `VerdictPage`; query `VerdictQuery` |
 * | GET `/api/why/SUBJECT`    |               |       | `WhyView`                           |
 * | GET `/api/history`        |               |       | `HistoryPoint[]`                    |
 * | GET `/api/events`         |               |       | server-sent events, `LiveEvent`     |
 * | GET `/api/session`        |               | yes   | `{}`                                |
 * | POST `/api/ban`           | `BanForm`     | yes   | `{}`                                |
 * | POST `/api/unban`         | `SubjectForm` | yes   | `{}`                                |
 * | POST `/api/forget-veto`   | `SubjectForm` | yes   | `{}`                                |
 * | POST `/api/pause`         | `{}`          | yes   | `{}`                                |
 * | POST `/api/resume`        | `{}`          | yes   | `{}`                                |
 * | POST `/api/flush`         | `{}`          | yes   | `{}`                                |
 * | POST `/api/friend`        | `FriendForm`  | yes   | `{}`                                |
 * | POST `/api/friend/remove` | `IdForm`      | yes   | `{}`                                |
 * | GET `/api/allowlist`      |               | yes   | `string[]`                          |
 * | POST `/api/allow`         | `EntryForm`   | yes   | `{}`                                |
 * | POST `/api/disallow`      | `EntryForm`   | yes   | `{}`                                |
 *
 * Scores and trusts are percent, `until` is Unix seconds. An error is `{error: {reason, message, hint?}}`.
 */

export interface StatusView {
  readonly peerId: string
  readonly version: string
  readonly network: string
  readonly uptimeSeconds: number
  readonly mode: 'enforce' | 'observe'
  readonly paused: boolean
  readonly friends: { readonly total: number; readonly connected: number }
  readonly dht: { readonly enabled: boolean; readonly peers: number }
  readonly reports: number
  readonly claims: number
  readonly verdicts: { readonly accepted: number; readonly held: number }
  /** By target; null: turned off. */
  readonly handoff: Readonly<Record<'log' | 'fail2ban' | 'nftables' | 'exec', HandoffState | null>>
  /** What the firewall blocks of what is listed; empty: not measured. */
  readonly enforcement: readonly { readonly jail: string; readonly listed: number; readonly enforced: number }[]
  /** Others that ban an address of this node or of a friend. */
  readonly alerts?: readonly AlertView[]
  readonly lastError: string | null
}

export interface AlertView {
  readonly subject: string
  readonly reason: string
  readonly by: readonly { readonly origin: string; readonly name: string | null; readonly via: readonly string[] }[]
}

export interface HandoffState {
  /** Changes that are not handed over yet. */
  readonly pending: number
  readonly lastError: string | null
}

export interface FriendRow {
  readonly id: string
  readonly name: string
  readonly trust: number
  readonly observe: boolean
  readonly paused: boolean
  readonly connected: boolean
  /** Unix seconds, or null if never. */
  readonly lastSeen: number | null
  readonly rttMs: number | null
  /** Live claims that it brought first. */
  readonly claims: number
  readonly stats: {
    readonly reports: number
    readonly accepted: number
    readonly confirmed: number
    readonly disputed: number
    readonly rejected: number
  }
  /** Percent that its record speaks for; null or absent: no opinion. */
  readonly suggestedTrust?: number | null
}

export interface Overview {
  readonly status: StatusView
  readonly friends: readonly FriendRow[]
}

export interface VerdictQuery {
  readonly state: 'accepted' | 'held' | 'all'
  /** In the subject or the jail, or an address that the subject covers; empty: all. */
  readonly text: string
  /** The subject after which the page begins; empty: the first. */
  readonly after: string
  readonly limit: number
}

export interface VerdictRow {
  readonly subject: string
  readonly score: number
  readonly accepted: boolean
  readonly until: number
  /** How many origins' live claims stand behind it. */
  readonly origins: number
  readonly jail: string
  readonly reason: string
  readonly source: 'own' | 'mesh'
}

export interface VerdictPage {
  readonly rows: readonly VerdictRow[]
  /** `after` of the next page; null: that was all. */
  readonly next: string | null
}

export interface WhyView {
  readonly subject: string
  readonly score: number
  readonly threshold: number
  readonly accepted: boolean
  readonly reason: string
  readonly until: number | null
  /** The narrowest accepted CIDR that bans it too, or null. */
  readonly coveredBy: string | null
  readonly evidence: readonly EvidenceView[]
}

export interface EvidenceView {
  readonly origin: string
  readonly jail: string
  readonly until: number
  /** The product of the trusts along `path`. */
  readonly confidence: number
  /** From the friend who told us to the origin; empty if it is our own claim. */
  readonly path: readonly { readonly peer: string; readonly name: string | null; readonly trust: number }[]
}

/** Bans and holds at one moment. */
export interface HistoryPoint {
  /** Unix ms. */
  readonly at: number
  readonly accepted: number
  readonly held: number
}

/** One thing that has happened. `alarm`: somebody out there bans an address of ours or of a friend. */
export interface LiveEvent {
  readonly id: number
  /** Unix ms. */
  readonly at: number
  readonly kind: 'banned' | 'held' | 'ended' | 'connected' | 'gone' | 'alarm'
  readonly subject: string | null
  readonly score: number | null
  readonly until: number | null
  readonly origins: number | null
  readonly jail: string | null
  /** Of a friend. */
  readonly name: string | null
}

export interface BanForm {
  readonly subject: string
  readonly ttlSeconds?: number
}

export interface SubjectForm {
  readonly subject: string
}

export interface IdForm {
  readonly id: string
}

/** What is to be changed of a friend; trust in percent. */
export interface FriendForm extends IdForm {
  readonly trust?: number
  readonly observe?: boolean
  readonly paused?: boolean
}

/** An address, a CIDR or a host name. */
export interface EntryForm {
  readonly entry: string
}
