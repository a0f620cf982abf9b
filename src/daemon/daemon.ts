/**
 * The composition root: opens what the daemon needs, joins the edges by handing each the functions it asks for, and
 * keeps the order of life: ledger, judgement, mesh, hand-off, control; and back.
 */
import { mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Logger } from 'pino'
import { createControlServer } from '../control/server.ts'
import { delayMs } from '../core/backoff.ts'
import type { Policy } from '../core/judge.ts'
import type { PeerId } from '../core/report.ts'
import { ok, refuse, type Result } from '../core/result.ts'
import type { Subject } from '../core/subject.ts'
import { createMesh, type Mesh } from '../mesh/mesh.ts'
import { createSync } from '../mesh/sync.ts'
import { openDatabase, type OpenRefusal } from '../store/database.ts'
import { SqliteDatastore } from '../store/datastore.ts'
import { createFlushes } from '../store/flushes.ts'
import { createFriendRecord } from '../store/friend-record.ts'
import { createLedger } from '../store/ledger.ts'
import { createOutbox } from '../store/outbox.ts'
import { createVerdicts } from '../store/verdicts.ts'
import { addressesIn } from './addresses.ts'
import { createAdmission } from './admission.ts'
import { createCommands } from './commands.ts'
import type { Config } from './config.ts'
import { createCounters } from './counters.ts'
import { createFriends } from './friends.ts'
import { createHandoffs } from './handoffs.ts'
import { createHookIntake } from './hook-intake.ts'
import type { Identity } from './identity.ts'
import { createIngest } from './ingest.ts'
import { createJudging } from './judging.ts'
import { createOffers } from './offers.ts'
import { createOwnUpkeep } from './own-upkeep.ts'
import { createOurs } from './ours.ts'
import { gossipVerdict } from './outcome.ts'
import { createProtections } from './protections.ts'
import { createReload, type ConfigSource } from './reload.ts'
import { createSyncing } from './syncing.ts'
import { createUpkeep } from './upkeep.ts'
import { version } from './version.ts'
import { createViews, type Link } from './views.ts'

export interface DaemonOptions {
  readonly config: Config
  /** Where a reload finds the config again. */
  readonly source: ConfigSource
  readonly identity: Identity
  readonly logger: Logger
  /** Unix ms. */
  now(): number
  /** From 0 to 1. */
  random(): number
}

export type StartRefusal = OpenRefusal | 'data-dir' | 'already-running' | 'control-socket' | 'cannot-listen'

export interface Daemon {
  /** Multiaddrs. */
  addresses(): readonly string[]
  /** SIGHUP: reads the config again; a bad one changes nothing. */
  reload(): Promise<void>
  /** SIGUSR2: log files are opened anew. */
  reopenLogs(): void
  stop(): Promise<void>
}

const NO_LINK: Link = { connected: false, addresses: [], lastSeen: null, rttMs: null }

export async function startDaemon(options: DaemonOptions): Promise<Result<Daemon, StartRefusal>> {
  const { identity, logger, now } = options
  const self = identity.peerId
  let config = options.config
  let lastError: string | null = null
  /** An error that an operator has to know of: in the log now, in `status` until the next one. */
  function report(message: string, detail: Record<string, unknown> = {}): void {
    lastError = message
    logger.error(detail, message)
  }

  const ledgerFailed = (error: unknown): void => report("the ledger can't be written", { error })

  try {
    mkdirSync(config.dataDir, { recursive: true, mode: 0o750 })
    mkdirSync(dirname(config.control), { recursive: true, mode: 0o750 })
  } catch {
    return refuse('data-dir')
  }
  const opened = openDatabase(join(config.dataDir, 'ledger.db'))
  if (!opened.ok) return opened
  const db = opened.value
  const ledger = createLedger(db)
  const verdicts = createVerdicts(db)
  const outbox = createOutbox(db)
  const friends = createFriends(config.friends)
  const counters = createCounters()
  const admission = createAdmission(() => config.limits, now)

  let mesh: Mesh | null = null
  const protections = createProtections({
    allowlist: () => config.allowlist,
    protectReserved: () => config.protectReserved,
    announced: () => addressesIn(config.announce),
    friendAddresses: () =>
      addressesIn(friends.all().flatMap(({ id, addresses }) => [...addresses, ...link(id).addresses])),
    vetoes: () => verdicts.vetoes(),
    unresolved: (hosts) =>
      logger.warn({ hosts }, 'allowlisted host names do not resolve; their last addresses stay allowed')
  })
  const handoffs = createHandoffs({ outbox, verdicts, logger, now, config: () => config, veto })
  const judging = createJudging({
    ledger,
    verdicts,
    outbox,
    friends,
    policy: () => policyOf(config),
    protectedBy: (subject) => protections.protectedBy(subject),
    targets: () => handoffs.targets(),
    now,
    changed: (subject, before, after) => logger.debug({ subject, before, after }, 'verdict')
  })
  const offers = createOffers({
    ledger,
    friends,
    self,
    limits: () => ({ maxHops: config.policy.maxHops, relayFloor: config.limits.relayFloorPercent * 10_000 })
  })
  const ingest = createIngest({
    db,
    ledger,
    friends,
    offers,
    self,
    network: config.network,
    limits: () => ({
      queue: config.limits.ingestQueue,
      maxHops: config.policy.maxHops,
      claimsPerFriend: config.limits.claimsPerFriend
    }),
    now,
    admit: (friend, claims) => admission.admit(friend, claims),
    review: (subject) => judging.review(subject),
    relay: (envelope) => void mesh?.publish(envelope).catch((error: unknown) => report('gossip failed', { error })),
    committed: () => handoffs.kick(),
    failed: ledgerFailed,
    counted(from, outcome) {
      counters.count(from, outcome)
      if (outcome.kind !== 'refused') return
      logger.debug({ friend: from, reason: outcome.reason }, 'report refused')
      if (outcome.reason === 'over-rate' || outcome.reason === 'queue-full') syncing.gap(from)
    }
  })
  const ours = createOurs({
    ledger,
    ingest,
    self,
    network: config.network,
    signingKey: identity.signingKey,
    now,
    failed: ledgerFailed
  })
  const commands = createCommands({ ours, ingest, verdicts, protections, config: () => config, now })
  const intake = createHookIntake({
    ours,
    ledger,
    flushes: createFlushes(db),
    spoolDir: join(config.dataDir, 'spool'),
    rules: () => ({
      jails: config.share.jails,
      minBanTimeSeconds: config.share.minBanTime,
      maxBanTimeSeconds: config.policy.maxBanTime,
      meshJail: config.handoff.fail2ban.jail
    }),
    isProtected: (subject) => ![null, 'vetoed'].includes(protections.protectedBy(subject)),
    now,
    failed: (reason) => report("fail2ban's spooled events can't be read", { reason })
  })

  const syncing = createSyncing({
    ledger,
    friends,
    offers,
    ingest,
    logger,
    sync: (friend) => sync.sync(friend),
    random: options.random
  })

  function link(friend: PeerId): Link {
    const state = mesh?.friends().find(({ id }) => id === friend)
    return state === undefined ? NO_LINK : { ...state, connected: state.ready }
  }

  function veto(subjects: readonly Subject[]): void {
    logger.warn({ subjects }, 'unbanned by hand in the mesh jail: vetoed')
    void commands.veto(subjects)
  }

  mesh = await createMesh({
    privateKey: identity.libp2pKey,
    network: config.network,
    listen: config.listen,
    announce: config.announce,
    bootstrap: config.discovery.bootstrap,
    dht: config.discovery.dht,
    friends: config.friends,
    datastore: new SqliteDatastore(db),
    limits: { maxConnections: config.limits.maxConnections, maxPendingHandshakes: config.limits.maxPendingHandshakes },
    version,
    now,
    delayMs: (attempt) => delayMs(attempt, options.random()),
    onMessage: async (message, from) => gossipVerdict(await ingest(message, from)),
    onFriend(friend, ready) {
      syncing.friend(friend, ready)
      logger.info({ friend, name: friends.get(friend)?.name }, ready ? 'friend connected' : 'friend gone')
      if (protections.refresh()) void upkeep.reviewAll()
    }
  })
  const running = mesh
  const sync = createSync({
    network: config.network,
    self,
    streams: running,
    ports: syncing.ports,
    ended: (friend, outcome) => syncing.ended(friend, outcome)
  })

  const views = createViews({
    self,
    version,
    startedAt: now(),
    ledger,
    verdicts,
    judging,
    friends,
    counters,
    record: createFriendRecord(db),
    config: () => config,
    link,
    listening: () => running.addresses(),
    dht: async () => ({ peers: await running.dhtPeers(), protocol: running.dhtProtocol }),
    handoff: () => handoffs.view(),
    sync: () => syncing.view(),
    lastError: () => lastError,
    now
  })
  const ownUpkeep = createOwnUpkeep({ ledger, ours, maxBanTime: () => config.policy.maxBanTime, now })
  const upkeep = createUpkeep({ ledger, verdicts, ingest, protections, intake, ownUpkeep, now, report })
  const reload = createReload({
    source: options.source,
    self,
    current: () => config,
    async apply(next) {
      config = next
      logger.level = next.log.level
      const before = new Map(friends.all().map((friend) => [friend.id, friend]))
      friends.replace(next.friends)
      for (const id of before.keys()) if (friends.get(id) === undefined) await running.removeFriend(id)
      for (const friend of next.friends) await running.addFriend(friend)
      await protections.resolve()
      await upkeep.reviewAll()
    },
    warn: (message) => report(message)
  })
  const control = createControlServer({
    ...views,
    identity: () => ({ peerId: self, addresses: running.addresses(), network: config.network }),
    reload: reload.run,
    ban: commands.ban,
    unban: commands.unban,
    forgetVeto: commands.forgetVeto,
    hook: (event) => intake.take(event)
  })

  async function stop(): Promise<void> {
    upkeep.stop()
    syncing.stop()
    await control.close()
    await sync.stop()
    await running.stop()
    await handoffs.stop()
    db.close()
  }

  const listening = await control.listen(config.control)
  if (!listening.ok) {
    db.close()
    return refuse(listening.reason === 'already-running' ? 'already-running' : 'control-socket')
  }
  try {
    await sync.start()
    await running.start()
  } catch (error) {
    logger.error({ error }, 'the mesh could not start')
    await stop()
    return refuse('cannot-listen')
  }
  await protections.resolve()
  handoffs.start()
  upkeep.start()
  logger.info({ peerId: self, version, network: config.network, listen: running.addresses() }, 'banmesh runs')
  return ok({
    addresses: () => running.addresses(),
    async reload() {
      await reload.run()
    },
    reopenLogs: () => handoffs.reopenLogs(),
    stop
  })
}

/** Percentages are ppm already; what the config calls `maxBanTime` core calls by its unit. */
function policyOf({ policy }: Config): Policy {
  return { ...policy, maxBanTimeSeconds: policy.maxBanTime }
}
