/**
 * The dashboard and the metrics, joined to the daemon: what happens is told to both as it happens, the rest they read
 * when somebody asks. Without `web:` in the config all of this is counted and nobody listens.
 */
import { isIPv6 } from 'node:net'
import { join } from 'node:path'
import type { Logger } from 'pino'
import type { EnforcementView, HandoffViews, SyncView, WebView } from '../control/api.ts'
import { covers, parseCidr } from '../core/cidr.ts'
import type { PeerId } from '../core/report.ts'
import type { Subject } from '../core/subject.ts'
import type { Ledger } from '../store/ledger.ts'
import type { NewEntry, Outbox, OutboxEntry, Target } from '../store/outbox.ts'
import type { StoredVerdict, Verdicts } from '../store/verdicts.ts'
import type { FriendRow, VerdictPage, VerdictQuery, VerdictRow } from '../web/api.ts'
import { createFeed } from '../web/feed.ts'
import { createMetrics } from '../web/metrics.ts'
import { createWebServer } from '../web/server.ts'
import { loadToken } from '../web/token.ts'
import type { Commands } from './commands.ts'
import type { Config } from './config.ts'
import type { Friends } from './friends.ts'
import type { Outcome } from './outcome.ts'
import type { Settings } from './settings.ts'
import { version } from './version.ts'
import type { Link, Views } from './views.ts'

export interface WebOptions {
  readonly ledger: Ledger
  readonly verdicts: Verdicts
  readonly friends: Friends
  readonly logger: Logger
  config(): Config
  views(): Views
  commands(): Pick<Commands, 'ban' | 'unban' | 'forgetVeto' | 'pause' | 'resume' | 'flush'>
  settings(): Settings
  link(friend: PeerId): Link
  handoffs(): HandoffViews
  enforcement(): readonly EnforcementView[]
  syncing(): readonly SyncView[]
  ingestQueue(): number
  dhtPeers(): Promise<number>
  report(message: string, detail?: Record<string, unknown>): void
  /** Unix ms. */
  now(): number
}

/** Verdicts looked at in one turn of the event loop. */
const PAGE = 1000
/** Hand-offs whose delay is being measured; of more than these it is not. */
const MEASURED_HANDOFFS = 10_000
/** The friends' record reads every claim that they brought: it is read again after so many times what it took last. */
const RECORD_REST = 50
const RECORD_REST_MIN_MS = 2000

export function createWeb(options: WebOptions) {
  const { ledger, verdicts, friends, logger, now } = options
  const startedAt = now()
  const feed = createFeed(now)
  const waiting = new Map<string, number>()
  let record: { readonly until: number; readonly rows: FriendRow[] } = { until: 0, rows: [] }
  let ledgerFailedAt: number | null = null
  let view: WebView | null = null
  let server: ReturnType<typeof createWebServer> | null = null

  const metrics = createMetrics({
    version,
    uptimeSeconds: () => (now() - startedAt) / 1000,
    friends: () =>
      friends.all().map(({ id, name, trust, paused }) => {
        const { connected, rttMs } = options.link(id)
        return { name, trust: trust / 10_000, paused, connected, rttMs, claims: ledger.claimsBroughtBy(id) }
      }),
    verdicts: () => verdicts.counts(),
    ledger: () => ledger.counts(),
    handoffs: () => ({ ...options.handoffs() }),
    enforcement: () => options.enforcement(),
    ingestQueue: () => options.ingestQueue(),
    dhtPeers: () => options.dhtPeers(),
    syncing: () => options.syncing(),
    readers: () => server?.readers() ?? 0
  })

  /** What a subject's verdict has become, in the feed's words; null if that is nothing new. */
  function changeOf(before: StoredVerdict | null, after: StoredVerdict | null): 'banned' | 'held' | 'ended' | null {
    if (after?.accepted) return before?.accepted ? null : 'banned'
    if (after === null) return before?.accepted ? 'ended' : null
    return before !== null && !before.accepted && before.score === after.score ? null : 'held'
  }

  function changed(subject: Subject, before: StoredVerdict | null, after: StoredVerdict | null): void {
    const { score, until, origins, jail, reason } = (after ?? before)!
    const event = { subject, score: score / 10_000, until, origins, jail, name: null }
    if ((reason === 'own-address' || reason === 'friend-address') && before?.reason !== reason) {
      metrics.alarmed(reason)
      feed.stage({ ...event, kind: 'alarm' })
      return
    }
    const kind = changeOf(before, after)
    if (kind === null) return
    metrics.verdictChanged(kind)
    feed.stage({ ...event, kind })
  }

  function friendRows(): FriendRow[] {
    const from = now()
    if (from < record.until) return record.rows.flatMap(refreshed)
    const rows = options
      .views()
      .friends()
      .map((friend) => ({ ...friend, claims: 0 }))
    const took = now() - from
    record = { until: from + Math.max(RECORD_REST_MIN_MS, took * RECORD_REST), rows }
    return rows.flatMap(refreshed)
  }

  /** What is cheap to read is always new. */
  function refreshed(row: FriendRow): FriendRow[] {
    const friend = friends.get(row.id)
    if (friend === undefined) return []
    const { connected, rttMs } = options.link(friend.id)
    return [{ ...row, connected, rttMs, claims: ledger.claimsBroughtBy(friend.id) }]
  }

  function failing(): string[] {
    const sentences: string[] = []
    try {
      ledger.counts()
    } catch {
      sentences.push("the ledger can't be read")
    }
    if (ledgerFailedAt !== null) sentences.push("the ledger can't be written")
    for (const [target, state] of Object.entries(options.handoffs())) {
      if (state?.lastError) sentences.push(`the hand-off to ${target} fails: ${state.lastError}`)
    }
    return sentences
  }

  return {
    /** For the mesh. */
    libp2p: metrics.libp2p,
    view: () => view,
    changed,
    committed(): void {
      ledgerFailedAt = null
      feed.publish()
    },
    ledgerFailed(): void {
      ledgerFailedAt = now()
      feed.discard()
    },
    failed: () => metrics.failed(),
    reported(from: PeerId, outcome: Outcome): void {
      const friend = friends.get(from)
      if (friend === undefined) return
      metrics.reported(friend.name, outcome.kind, outcome.kind === 'refused' ? outcome.reason : null)
      if (outcome.kind === 'accepted') metrics.arrived(outcome.nodes, (now() - outcome.issuedAt) / 1000)
    },
    friend(id: PeerId, ready: boolean): void {
      const friend = friends.get(id)
      if (friend === undefined) return
      const nothing = { subject: null, score: null, until: null, origins: null, jail: null }
      feed.stage({ ...nothing, kind: ready ? 'connected' : 'gone', name: friend.name })
      feed.publish()
    },
    /** The outbox, with an eye on how long an entry waits in it. */
    watched(outbox: Outbox): Outbox {
      return {
        ...outbox,
        put(target: Target, entry: NewEntry) {
          outbox.put(target, entry)
          if (waiting.size < MEASURED_HANDOFFS) waiting.set(`${target} ${entry.subject}`, now())
        },
        done(target: Target, entries: readonly OutboxEntry[]) {
          outbox.done(target, entries)
          for (const { subject, action } of entries) {
            const key = `${target} ${subject}`
            const since = waiting.get(key)
            waiting.delete(key)
            metrics.handedOver(target, action, since === undefined ? null : (now() - since) / 1000)
          }
        }
      }
    },
    /** A dashboard that can't be is an error to be told of, and no reason for the mesh not to run. */
    async start(): Promise<void> {
      const { web, dataDir } = options.config()
      if (web === null) return
      const tokenFile = join(dataDir, 'web.token')
      const token = loadToken(tokenFile)
      if (!token.ok) options.report(`the dashboard's token can't be written to ${tokenFile}`)
      const { ban, unban, forgetVeto, pause, resume, flush } = options.commands()
      server = createWebServer(
        {
          overview: async () => ({ status: await options.views().status(), friends: friendRows() }),
          verdicts: (query) => findVerdicts(verdicts, query),
          why: (subject) => options.views().why(subject),
          counts: () => verdicts.counts(),
          eventsAfter: (id) => feed.after(id),
          subscribe: (happened) => feed.subscribe(happened),
          ban,
          unban,
          forgetVeto,
          pause,
          resume,
          flush,
          ...options.settings(),
          metrics: () => metrics.text(),
          failed: (route, error) => options.report('a request of the dashboard failed', { route, error }),
          failing
        },
        { token: token.ok ? token.value : null, now }
      )
      const listening = await server.listen(web.listen.host, web.listen.port)
      if (!listening.ok) {
        server = null
        return options.report(`the dashboard can't listen on ${web.listen.host}, port ${web.listen.port}`)
      }
      const { host, port } = listening.value
      view = { url: `http://${isIPv6(host) ? `[${host}]` : host}:${port}/`, tokenFile }
      logger.info(view, 'the dashboard is up')
      if (!isLoopback(host)) logger.warn(view, 'the dashboard can be reached from outside, and has no encryption')
    },
    async stop(): Promise<void> {
      await server?.close()
      server = null
    }
  }
}

function isLoopback(host: string): boolean {
  return host === '::1' || host.startsWith('127.')
}

/** In order of subject. Looks at all verdicts if it must, a page in each turn of the event loop. */
async function findVerdicts(verdicts: Verdicts, query: VerdictQuery): Promise<VerdictPage> {
  const text = query.text.trim().toLowerCase()
  const address = parseCidr(text)
  const matches = ({ subject, jail, accepted }: StoredVerdict): boolean => {
    if (query.state !== 'all' && accepted !== (query.state === 'accepted')) return false
    if (subject.includes(text) || jail.toLowerCase().includes(text)) return true
    return address !== null && (covers(subject, address) || covers(address, subject))
  }
  const rows: VerdictRow[] = []
  let after = query.after as Subject | ''
  for (;;) {
    const page: StoredVerdict[] = verdicts.after(after, PAGE)
    for (const verdict of page) {
      if (!matches(verdict)) continue
      // One more than asked for is the proof that there is a next page.
      if (rows.length === query.limit) return { rows, next: rows.at(-1)!.subject }
      rows.push(rowOf(verdict))
    }
    if (page.length < PAGE) return { rows, next: null }
    after = page.at(-1)!.subject
    await new Promise((resolve) => setImmediate(resolve))
  }
}

function rowOf({ subject, score, accepted, until, origins, jail, reason, own }: StoredVerdict): VerdictRow {
  return { subject, score: score / 10_000, accepted, until, origins, jail, reason, source: own ? 'own' : 'mesh' }
}
