/** What the web server needs of the daemon. */
import type { Subject } from '../core/subject.ts'
import type { BanForm, FriendForm, LiveEvent, Overview, VerdictPage, VerdictQuery, WhyView } from './api.ts'

/** 400: bad input; 403: refused by policy; 404: no such thing; 500: a failure of ours. */
export type Answer =
  | { readonly ok: true }
  | {
      readonly ok: false
      readonly status: 400 | 403 | 404 | 500
      readonly reason: string
      readonly message: string
      readonly hint?: string
    }

export interface WebPort {
  overview(): Promise<Overview>
  verdicts(query: VerdictQuery): Promise<VerdictPage>
  why(subject: Subject): WhyView
  /** How many bans and holds there are now. */
  counts(): { readonly accepted: number; readonly held: number }
  /** What has happened after the event with this id (0: all that is remembered), the oldest first. */
  eventsAfter(id: number): readonly LiveEvent[]
  /** Calls back when there are new events; returns how to stop that. */
  subscribe(happened: () => void): () => void
  ban(subject: Subject, form: Omit<BanForm, 'subject'>): Promise<Answer>
  unban(subject: Subject): Promise<Answer>
  forgetVeto(subject: Subject): Promise<Answer>
  /** Nothing new is handed over until `resume`. */
  pause(): Promise<Answer>
  resume(): Promise<Answer>
  /** Takes back all bans of the mesh, and only those. */
  flush(): Promise<Answer>
  changeFriend(id: string, change: Omit<FriendForm, 'id'>): Promise<Answer>
  removeFriend(id: string): Promise<Answer>
  allowlist(): readonly string[]
  allow(entry: string): Promise<Answer>
  disallow(entry: string): Promise<Answer>
  /** In Prometheus' text format. */
  metrics(): Promise<string>
  /** A request has failed by a bug of ours: the browser is told that the log says why. */
  failed(route: string, error: unknown): void
  /** What does not work that should, a sentence each; empty: all is well. */
  failing(): readonly string[]
}
