/**
 * The metrics: what is counted as it happens, and what is read when somebody asks. Every label is bounded: friends are
 * the configured ones, by name; outcomes, reasons and targets are words of our own. Every name begins with `banmesh_`, also
 * of what Node.js and libp2p tell of themselves.
 */
import { prometheusMetrics } from '@libp2p/prometheus-metrics'
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'

/** What is read at each scrape. */
export interface MetricsSource {
  readonly version: string
  uptimeSeconds(): number
  friends(): readonly {
    readonly name: string
    readonly connected: boolean
    readonly paused: boolean
    readonly rttMs: number | null
    readonly trust: number
    readonly claims: number
  }[]
  verdicts(): { readonly accepted: number; readonly held: number }
  ledger(): { readonly reports: number; readonly claims: number }
  handoffs(): Readonly<Record<string, { readonly pending: number; readonly lastError: string | null } | null>>
  /** What the firewall said at the last look; empty if it may not be read. */
  enforcement(): readonly { readonly jail: string; readonly listed: number; readonly enforced: number }[]
  /** Envelopes that wait for their turn. */
  ingestQueue(): number
  dhtPeers(): Promise<number>
  /** Reports of syncs that are under way. */
  syncing(): readonly { readonly sent: number; readonly toSend: number; received: number; toReceive: number }[]
  /** Dashboards that are open. */
  readers(): number
}

export interface Metrics {
  /** libp2p's own metrics; to be given to libp2p as its `metrics`. */
  readonly libp2p: ReturnType<typeof prometheusMetrics>
  /** A friend has brought a report; `reason` if it was refused. */
  reported(friend: string, outcome: string, reason: string | null): void
  /** A new report of a friend was taken: how many nodes it came by, and how long ago its origin issued it. */
  arrived(nodes: number, seconds: number): void
  verdictChanged(change: 'banned' | 'held' | 'ended'): void
  /** Somebody bans an address that is ours (`own-address`) or a friend's (`friend-address`). */
  alarmed(reason: string): void
  /** A change has reached fail2ban or its log; seconds since the verdict, null if that was before the start. */
  handedOver(target: string, action: string, seconds: number | null): void
  /** An error that the operator was told of. */
  failed(): void
  text(): Promise<string>
}

const PREFIX = 'banmesh_'

/** Refusals that are a limit that was hit, and what that limit is called. */
const LIMITS: Readonly<Record<string, string>> = {
  'over-rate': 'friend_rate',
  'over-quota': 'friend_quota',
  'queue-full': 'ingest_queue',
  'too-many-hops': 'hops',
  'too-many-claims': 'report_claims',
  oversized: 'message_size'
}

const HOPS = [1, 2, 3, 4, 5, 6, 8, 12]
/** From one hop on a LAN to what a sync brings to a node that was away for days. */
const DELAY_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600, 3600, 86_400]
const HANDOFF_SECONDS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600]

export function createMetrics(source: MetricsSource): Metrics {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry, prefix: PREFIX })
  const libp2p = new Registry()

  const gauge = <Label extends string>(
    name: string,
    help: string,
    labelNames: readonly Label[],
    read: (set: (labels: Partial<Record<Label, string>>, value: number) => void) => void | Promise<void>
  ) =>
    new Gauge({
      name: PREFIX + name,
      help,
      labelNames,
      registers,
      async collect() {
        // What is gone, a friend say, has no value any more.
        this.reset()
        await read((labels, value) => this.set(labels, value))
      }
    })
  const counter = <Label extends string>(name: string, help: string, labelNames: readonly Label[]) =>
    new Counter({ name: PREFIX + name, help, labelNames, registers })
  const histogram = <Label extends string>(
    name: string,
    help: string,
    buckets: number[],
    labelNames: readonly Label[] = []
  ) => new Histogram({ name: PREFIX + name, help, labelNames, buckets, registers })

  gauge('build_info', 'Always 1; the version is a label.', ['version'], (set) => set({ version: source.version }, 1))
  gauge('uptime_seconds', 'Since the daemon started.', [], (set) => set({}, source.uptimeSeconds()))
  gauge('friend_up', '1 if reports flow to and from the friend.', ['friend'], (set) => {
    for (const { name, connected } of source.friends()) set({ friend: name }, Number(connected))
  })
  gauge('friend_paused', '1 if nothing is taken from the friend for now.', ['friend'], (set) => {
    for (const { name, paused } of source.friends()) set({ friend: name }, Number(paused))
  })
  gauge('friend_trust_ratio', 'The configured trust, from 0 to 1.', ['friend'], (set) => {
    for (const { name, trust } of source.friends()) set({ friend: name }, trust / 100)
  })
  gauge('friend_rtt_seconds', 'Of the last ping; absent if there was none.', ['friend'], (set) => {
    for (const { name, rttMs } of source.friends()) if (rttMs !== null) set({ friend: name }, rttMs / 1000)
  })
  gauge('friend_live_claims', 'Live claims that the friend was the first to bring.', ['friend'], (set) => {
    for (const { name, claims } of source.friends()) set({ friend: name }, claims)
  })
  gauge('verdicts', 'Subjects that are banned (accepted) or held.', ['state'], (set) => {
    for (const [state, value] of Object.entries(source.verdicts())) set({ state }, value)
  })
  gauge('ledger_reports', 'Live reports in the ledger.', [], (set) => set({}, source.ledger().reports))
  gauge('ledger_claims', 'Live claims in the ledger.', [], (set) => set({}, source.ledger().claims))
  gauge('ingest_queue_envelopes', 'Received and not looked at yet.', [], (set) => set({}, source.ingestQueue()))
  gauge('handoff_pending', 'Changes that are not handed over yet.', ['target'], (set) => {
    for (const [target, state] of Object.entries(source.handoffs())) if (state !== null) set({ target }, state.pending)
  })
  gauge('handoff_failing', '1 while the last try to hand over has failed.', ['target'], (set) => {
    for (const [target, state] of Object.entries(source.handoffs())) {
      if (state !== null) set({ target }, Number(state.lastError !== null))
    }
  })
  gauge(
    'listed_bans',
    'Bans that the jail lists, or that nftables should have; absent if not measured.',
    ['jail'],
    (set) => {
      for (const { jail, listed } of source.enforcement()) set({ jail }, listed)
    }
  )
  gauge(
    'enforced_bans',
    'How many of the listed bans the firewall blocks; absent if not measured.',
    ['jail'],
    (set) => {
      for (const { jail, enforced } of source.enforcement()) set({ jail }, enforced)
    }
  )
  gauge('sync_pending_reports', 'Reports still to be sent or received by syncs under way.', ['direction'], (set) => {
    const syncs = source.syncing()
    set(
      { direction: 'out' },
      syncs.reduce((sum, { toSend, sent }) => sum + toSend - sent, 0)
    )
    set(
      { direction: 'in' },
      syncs.reduce((sum, { toReceive, received }) => sum + toReceive - received, 0)
    )
  })
  gauge('dht_peers', "In the DHT's routing table.", [], async (set) => set({}, await source.dhtPeers()))
  gauge('dashboard_readers', 'Dashboards that are open.', [], (set) => set({}, source.readers()))

  const reports = counter('reports_received_total', 'Reports by friend, and what became of them.', [
    'friend',
    'outcome'
  ])
  const refusals = counter('reports_refused_total', "Friends' reports that were refused, by reason.", ['reason'])
  const limits = counter('limits_hit_total', 'Times that a bound has refused something.', ['limit'])
  const changes = counter('verdict_changes_total', 'Verdicts that became banned or held, or ended.', ['change'])
  const alarms = counter('alarms_total', "Bans, by others, of this node's or a friend's address.", ['reason'])
  const handoffs = counter('handoff_changes_total', 'Bans and unbans that were handed over.', ['target', 'action'])
  const errors = counter('errors_total', "Errors that the daemon's log tells of.", [])
  const nodes = histogram('report_hops', 'Nodes that a new report came by: 1 is straight from its origin.', HOPS)
  const delay = histogram(
    'report_delay_seconds',
    "From the origin's report to here, by both clocks; a sample of the new reports.",
    DELAY_SECONDS
  )
  const lag = histogram('handoff_delay_seconds', 'From verdict to hand-off.', HANDOFF_SECONDS, ['target'])

  // A rate needs a first value to grow from.
  for (const limit of new Set(Object.values(LIMITS))) limits.inc({ limit }, 0)
  for (const change of ['banned', 'held', 'ended']) changes.inc({ change }, 0)
  for (const reason of ['own-address', 'friend-address']) alarms.inc({ reason }, 0)

  return {
    libp2p: prometheusMetrics({ registry: libp2p, collectDefaultMetrics: false }),
    reported(friend, outcome, reason) {
      reports.inc({ friend, outcome })
      if (reason === null) return
      refusals.inc({ reason })
      const limit = LIMITS[reason]
      if (limit !== undefined) limits.inc({ limit })
    },
    arrived(count, seconds) {
      nodes.observe(count)
      delay.observe(Math.max(0, seconds))
    },
    verdictChanged: (change) => changes.inc({ change }),
    alarmed: (reason) => alarms.inc({ reason }),
    handedOver(target, action, seconds) {
      handoffs.inc({ target, action })
      if (seconds !== null) lag.observe({ target }, seconds)
    },
    failed: () => errors.inc(),
    text: async () => (await registry.metrics()) + prefixed(await libp2p.metrics())
  }
}

/** libp2p has no option for it: each line begins with a name, or with `# HELP` or `# TYPE` and a name. */
function prefixed(text: string): string {
  return text.replace(/^(# (?:HELP|TYPE) )?(?=\w)/gm, `$1${PREFIX}`)
}
