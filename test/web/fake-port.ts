/** The daemon as the web server sees it, made up: for what real nodes would never say. */
import type { LiveEvent, Overview, VerdictQuery, VerdictRow, WhyView } from '../../src/web/api.ts'
import { createFeed } from '../../src/web/feed.ts'
import type { WebPort } from '../../src/web/port.ts'

export const SELF = '12D3KooWself00000000000000000000000000000000000001'

export const OVERVIEW: Overview = {
  status: {
    peerId: SELF,
    version: '1.2.3',
    network: 'test',
    uptimeSeconds: 3700,
    mode: 'enforce',
    paused: false,
    friends: { total: 1, connected: 1 },
    dht: { enabled: false, peers: 0 },
    reports: 5,
    claims: 6,
    verdicts: { accepted: 1, held: 1 },
    handoff: { log: { pending: 0, lastError: null }, fail2ban: null, nftables: null, exec: null },
    enforcement: [],
    lastError: null
  },
  friends: []
}

export interface FakePort extends WebPort {
  /** Every action that was asked for. */
  readonly done: string[]
  readonly queries: VerdictQuery[]
  happen(...events: readonly Omit<LiveEvent, 'id' | 'at'>[]): void
  listeners(): number
}

export function createFakePort(
  answers: {
    readonly overview?: Overview
    readonly rows?: readonly VerdictRow[]
    readonly why?: WhyView
    readonly failing?: readonly string[]
  } = {}
): FakePort {
  const feed = createFeed(() => 0)
  let listeners = 0
  const done: string[] = []
  const queries: VerdictQuery[] = []
  return {
    done,
    queries,
    happen(...news) {
      for (const event of news) feed.stage(event)
      feed.publish()
    },
    listeners: () => listeners,
    overview: async () => answers.overview ?? OVERVIEW,
    async verdicts(query) {
      queries.push(query)
      return { rows: answers.rows ?? [], next: null }
    },
    why: (subject) =>
      answers.why ?? {
        subject,
        score: 0,
        threshold: 80,
        accepted: false,
        reason: 'no-evidence',
        until: null,
        coveredBy: null,
        evidence: []
      },
    counts: () => ({ accepted: 1, held: 1 }),
    failed: (route) => void done.push(`failed ${route}`),
    eventsAfter: feed.after,
    subscribe(happened) {
      listeners++
      const stop = feed.subscribe(happened)
      return () => {
        listeners--
        stop()
      }
    },
    async ban(subject, { ttlSeconds }) {
      done.push(`ban ${subject} ${ttlSeconds}`)
      return { ok: true }
    },
    async unban(subject) {
      done.push(`unban ${subject}`)
      return { ok: true }
    },
    async pause() {
      done.push('pause')
      return { ok: true }
    },
    async resume() {
      done.push('resume')
      return { ok: true }
    },
    async flush() {
      done.push('flush')
      return { ok: true }
    },
    async forgetVeto() {
      return { ok: false, status: 403, reason: 'no-veto', message: 'there is none', hint: 'look again' }
    },
    async changeFriend(id, change) {
      done.push(`friend ${id} ${JSON.stringify(change)}`)
      return { ok: true }
    },
    async removeFriend(id) {
      done.push(`friend-remove ${id}`)
      return { ok: true }
    },
    allowlist: () => ['192.0.2.0/24'],
    async allow(entry) {
      done.push(`allow ${entry}`)
      return { ok: true }
    },
    async disallow() {
      return { ok: false, status: 404, reason: 'absent', message: 'it is not on the allowlist' }
    },
    metrics: async () => 'banmesh_up 1\n',
    failing: () => answers.failing ?? []
  }
}
