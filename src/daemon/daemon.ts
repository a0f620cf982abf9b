/**
 * The composition root: opens what the daemon needs, joins the edges by handing each the functions it asks for, and
 * keeps the order of life: ledger, judgement, mesh, hand-off, control; and back.
 */
import { join } from 'node:path'
import type { Logger } from 'pino'
import { createControlServer } from '../control/server.ts'
import { delayMs } from '../core/backoff.ts'
import type { Policy } from '../core/judge.ts'
import type { PeerId } from '../core/report.ts'
import { ok, refuse, type Result } from '../core/result.ts'
import type { Subject } from '../core/subject.ts'
import { createMesh, type Mesh } from '../mesh/mesh.ts'
import { createSync } from '../mesh/sync.ts'
import { checkpoint } from '../store/database.ts'
import { disownOthers } from '../store/disown.ts'
import { SqliteDatastore } from '../store/datastore.ts'
import { createFlushes } from '../store/flushes.ts'
import { createFriendRecord } from '../store/friend-record.ts'
import { createHolds } from '../store/holds.ts'
import { createLedger } from '../store/ledger.ts'
import { createOutbox } from '../store/outbox.ts'
import { createVerdicts } from '../store/verdicts.ts'
import { createWriteBehind } from '../store/write-behind.ts'
import { addressesIn } from './addresses.ts'
import { createAdmission } from './admission.ts'
import { ALERT_REASONS } from './alerts.ts'
import { createChronicle, type Chronicle } from './chronicle.ts'
import { createCommands } from './commands.ts'
import type { Config } from './config.ts'
import { createCounters } from './counters.ts'
import { createFriends } from './friends.ts'
import { createHandoffs, meshJails, schedule } from './handoffs.ts'
import { createHookIntake } from './hook-intake.ts'
import type { Identity } from './identity.ts'
import { createIngest } from './ingest.ts'
import { createJudging } from './judging.ts'
import { collectGarbage, createLeisure } from './leisure.ts'
import { meshConfig } from './mesh-config.ts'
import { createOffers } from './offers.ts'
import { createOwnUpkeep } from './own-upkeep.ts'
import { createOurs } from './ours.ts'
import { gossipVerdict } from './outcome.ts'
import { openPremises, type PremisesRefusal } from './premises.ts'
import { createProof } from './proof.ts'
import { createProtections } from './protections.ts'
import { createRotations, rotationProtocol } from './rotation.ts'
import { createReload, type ConfigSource } from './reload.ts'
import { createReviewing } from './reviewing.ts'
import { createSettings } from './settings.ts'
import { createSyncing } from './syncing.ts'
import { createTimeOuts } from './time-outs.ts'
import { createUpkeep } from './upkeep.ts'
import { version } from './version.ts'
import { createViews, type Link } from './views.ts'
import { createWeb } from './web.ts'
import { createWhereabouts } from './whereabouts.ts'

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

export type StartRefusal = PremisesRefusal | 'already-running' | 'control-socket' | 'cannot-listen'

export interface Daemon {
  /** Multiaddrs. */
  addresses(): readonly string[]
  /** Calls back with what happens from now on, once it is in the ledger; returns how to stop that. */
  subscribe: Chronicle['subscribe']
  /** SIGHUP: reads the config again; a bad one changes nothing. */
  reload(): Promise<void>
  /** SIGUSR2: log files are opened anew. */
  reopenLogs(): void
  stop(): Promise<void>
}

const NO_LINK: Link = { connected: false, waiting: false, addresses: [], lastSeen: null, rttMs: null }

export async function startDaemon(options: DaemonOptions): Promise<Result<Daemon, StartRefusal>> {
  const { identity, logger, now } = options
  const self = identity.peerId
  let config = options.config
  let lastError: string | null = null
  let configError: string | null = null
  /** An error that an operator has to know of: in the log now, in `status` until the next one. */
  function report(message: string, detail: Record<string, unknown> = {}): void {
    lastError = message
    logger.error(detail, message)
    web.failed()
  }

  const ledgerFailed = (error: unknown): void => {
    report("the ledger can't be written", { error })
    chronicle.discarded()
    web.ledgerFailed()
  }

  const premises = openPremises(config)
  if (!premises.ok) return premises
  const { db, networkKey } = premises.value
  const disowned = disownOthers(db, self)
  const ledger = createLedger(db)
  const verdicts = createVerdicts(db)
  const friends = createFriends(config.friends)
  const web = createWeb({
    ledger,
    verdicts,
    friends,
    logger,
    config: () => config,
    views: () => views,
    commands: () => commands,
    settings: () => settings,
    link,
    handoffs: () => handoffs.view(),
    enforcement: () => proof.view(),
    syncing: () => syncing.view(),
    ingestQueue: () => ingest.waiting(),
    dhtPeers: async () => (await mesh?.dhtPeers()) ?? 0,
    report,
    now
  })
  const chronicle = createChronicle({
    friends,
    logger,
    judging: () => judging,
    views: () => views,
    config: () => config,
    report,
    now
  })
  const outbox = chronicle.watched(web.watched(createOutbox(db)))
  const holds = createHolds(db)
  const counters = createCounters()
  const timeOuts = createTimeOuts({ friends, mesh: () => mesh, report, now })
  const admission = createAdmission({ limits: () => config.limits, now, tripped: timeOuts.begin })

  const datastore = new SqliteDatastore(db)
  const whereabouts = createWhereabouts(datastore)
  let mesh: Mesh | null = null
  const hearers = new Set<PeerId>()
  const protections = createProtections({
    allowlist: () => config.allowlist,
    protectReserved: () => config.protectReserved,
    announced: () => addressesIn(config.announce),
    friendAddresses: () => [
      ...addressesIn(friends.all().flatMap(({ addresses }) => addresses)),
      ...whereabouts.addresses(mesh?.friends() ?? [])
    ],
    vetoes: () => verdicts.vetoes(),
    unresolved: (hosts) =>
      logger.warn({ hosts }, 'allowlisted host names do not resolve; their last addresses stay allowed')
  })
  const handoffs = createHandoffs({ outbox, verdicts, logger, now, config: () => config, veto })
  const proof = createProof({
    read: () => handoffs.enforcement(),
    everySeconds: () => config.limits.enforcementCheckSeconds,
    logger,
    schedule
  })
  const writeBehind = createWriteBehind({
    path: db.location()!,
    schedule,
    failed: (error) => report("the ledger's log can't be brought to the disk: a power cut may cost bans", { error })
  })
  const leisure = createLeisure({
    residentBytes: process.memoryUsage.rss,
    collect: collectGarbage,
    checkpoint() {
      try {
        return checkpoint(db)
      } catch (error) {
        report("the ledger's log can't be brought into its file", { error })
        return false
      }
    },
    schedule
  })
  const judging = createJudging({
    ledger,
    verdicts,
    outbox,
    friends,
    holds,
    policy: () => policyOf(config),
    protectedBy: (subject) => protections.protectedBy(subject),
    claimsPerSubject: () => config.limits.claimsPerSubject,
    targets: () => handoffs.targets(),
    takes: (target, verdict) => handoffs.takes(target, verdict),
    followsUntil: (target) => target === 'nftables',
    now,
    changed(subject, before, after) {
      logger.debug({ subject, before, after }, 'verdict')
      chronicle.changed(subject, before, after)
      web.changed(subject, before, after)
    }
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
      friendQueue: config.limits.friendQueue,
      friendQueueBytes: config.limits.friendQueueBytes,
      maxHops: config.policy.maxHops,
      claimsPerFriend: config.limits.claimsPerFriend,
      bytesPerFriend: config.limits.bytesPerFriend
    }),
    now,
    admit: (friend, claims) => admission.admit(friend, claims),
    isShutOut: (friend) => admission.pausedUntil(friend) !== null,
    isCrowded: (subject, friend) => judging.isCrowded(subject, friend),
    review: (subject) => judging.review(subject),
    hearers: () => hearers,
    relay: (envelope) => void mesh?.publish(envelope).catch((error: unknown) => report('gossip failed', { error })),
    committed() {
      leisure.worked()
      writeBehind.committed()
      chronicle.committed()
      web.committed()
      // Not before friends and those who watch have it: what is written to a response leaves with the next tick.
      process.nextTick(() => handoffs.kick())
    },
    failed: ledgerFailed,
    counted(from, outcome) {
      counters.count(from, outcome)
      web.reported(from, outcome)
      if (outcome.kind !== 'refused') return
      logger.debug({ friend: from, reason: outcome.reason }, 'report refused')
      if (outcome.reason === 'over-rate' || outcome.reason === 'queue-full') syncing.gap(from)
    }
  })
  const reviewing = createReviewing({ db, ledger, ingest, offers, self })
  const ours = createOurs({
    ledger,
    ingest,
    self,
    network: config.network,
    signingKey: identity.signingKey,
    now,
    failed: ledgerFailed
  })
  const commands = createCommands({
    ours,
    ingest,
    reviewing,
    verdicts,
    protections,
    holds,
    takesBack: () => handoffs.targets().every((target) => target !== 'log'),
    config: () => config,
    now,
    told: chronicle.command
  })
  const intake = createHookIntake({
    ours,
    ledger,
    flushes: createFlushes(db),
    spoolDir: join(config.dataDir, 'spool'),
    rules: () => ({
      jails: config.share.jails,
      minBanTimeSeconds: config.share.minBanTime,
      maxBanTimeSeconds: config.policy.maxBanTime,
      meshJails: meshJails(config)
    }),
    isProtected: (subject) => ![null, 'vetoed'].includes(protections.protectedBy(subject)),
    now,
    failed: (reason) => report("fail2ban's spooled events can't be read", { reason }),
    dropped: (files) => logger.warn({ files }, 'files in the spool that are no events of fail2ban were removed')
  })

  const syncing = createSyncing({
    ledger,
    friends,
    offers,
    ingest,
    judge: admission.judge,
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
    ...(config.web !== null && { metrics: web.libp2p }),
    ...meshConfig(config, identity, networkKey),
    datastore,
    version,
    now,
    delayMs: (attempt) => delayMs(attempt, options.random()),
    async onMessage(message, from) {
      const outcome = await ingest(message, from)
      admission.judge(from, outcome)
      return gossipVerdict(outcome)
    },
    onKnock({ id, address }) {
      const accept = `banmesh friend add ${id}`
      logger.warn({ peer: id, address, accept }, 'somebody who is no friend has added this node')
    },
    onFriend(friend, ready) {
      if (ready) hearers.add(friend)
      else hearers.delete(friend)
      syncing.friend(friend, ready)
      chronicle.friend(friend, ready)
      web.friend(friend, ready)
      logger.info({ friend, name: friends.get(friend)?.name }, ready ? 'friend connected' : 'friend gone')
      void reviewing.touched(protections.refresh())
    }
  })
  const running = mesh
  const sync = createSync({
    network: config.network,
    self,
    streams: running,
    ports: syncing.ports,
    admits: (friend) => admission.admitSync(friend),
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
    holds,
    alerts: chronicle.alerts,
    config: () => config,
    link,
    pausedUntil: (friend) => admission.pausedUntil(friend),
    listening: () => running.addresses(),
    dht: async () => ({ peers: await running.dhtPeers(), protocol: running.dhtProtocol }),
    handoff: () => handoffs.view(),
    enforcement: () => proof.view(),
    sync: () => syncing.view(),
    knocks: () => running.knocks(),
    reachability: () => running.reachability(),
    lastError: () => lastError,
    web: () => web.view(),
    now
  })
  const ownUpkeep = createOwnUpkeep({
    ledger,
    ours,
    review: ingest.review,
    maxBanTime: () => config.policy.maxBanTime,
    now
  })
  const upkeep = createUpkeep({
    ledger,
    verdicts,
    ingest,
    protections,
    reviewing,
    intake,
    ownUpkeep,
    allowlistRefreshSeconds: () => config.limits.allowlistRefreshSeconds,
    now,
    report
  })
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
      for (const friend of next.friends) {
        // Whoever changes the config of a friend that is paused by its breaker wants it back, or gone.
        admission.forgive(friend.id)
        timeOuts.end(friend.id)
        await running.addFriend(friend)
      }
      protections.refresh()
      await reviewing.everything()
      // Host names may take their time.
      void protections.resolve().then(reviewing.touched)
    },
    applied() {
      if (lastError === configError) lastError = null
    },
    warn(message) {
      configError = message
      report(message)
    }
  })
  const settings = createSettings({ file: options.source.file, reload: reload.run, told: chronicle.command })
  chronicle.load(verdicts.because(ALERT_REASONS))
  const rotations = createRotations({
    network: config.network,
    self,
    dataDir: config.dataDir,
    configFile: options.source.file,
    friends,
    connected: () => running.friends().filter(({ connected }) => connected),
    openStream: (friend, protocol) => running.openStream(friend, protocol),
    reload: () => reload.run(),
    report,
    now
  })
  const control = createControlServer({
    ...views,
    failed: (route, error) => report('a request on the control socket failed', { route, error }),
    identity: () => ({ peerId: self, addresses: running.addresses(), network: config.network }),
    reload: reload.run,
    tellRotation: () => rotations.tell(),
    ban: commands.ban,
    unban: commands.unban,
    forgetVeto: commands.forgetVeto,
    import: commands.import,
    pause: commands.pause,
    resume: commands.resume,
    flush: commands.flush,
    subscribe: chronicle.subscribe,
    now,
    hook: (event) => intake.take(event)
  })

  async function stop(): Promise<void> {
    leisure.stop()
    upkeep.stop()
    rotations.stop()
    syncing.stop()
    timeOuts.stop()
    await web.stop()
    await control.close()
    await sync.stop()
    await running.stop()
    ingest.stop()
    await Promise.all([handoffs.stop(), proof.stop(), writeBehind.stop()])
    chronicle.stop()
    db.close()
  }

  const listening = await control.listen(config.control)
  if (!listening.ok) {
    db.close()
    return refuse(listening.reason === 'already-running' ? 'already-running' : 'control-socket')
  }
  try {
    await sync.start()
    await running.handleAnybody(rotationProtocol(config.network), rotations.accept, { maxInboundStreams: 1 })
    await running.start()
  } catch (error) {
    // libp2p puts the stacks of all that failed into the message; who runs the daemon is told what to do.
    logger.error({ reason: String(error).split('\n')[0] }, 'the mesh could not start')
    await stop()
    return refuse('cannot-listen')
  }
  await protections.resolve()
  handoffs.start()
  proof.start()
  leisure.start()
  upkeep.start()
  rotations.start()
  if (disowned > 0) {
    logger.warn({ reports: disowned }, 'the key is a new one: what was said under the old one is said again')
    for (const claim of ledger.ownClaims.live(Math.floor(now() / 1000))) {
      const { kind, subject, jail, until, failures } = claim
      void ours.restate(claim, { kind, subject, jail, until, failures })
    }
  }
  await web.start()
  logger.info({ peerId: self, version, network: config.network, listen: running.addresses() }, 'banmesh runs')
  return ok({
    addresses: () => running.addresses(),
    subscribe: chronicle.subscribe,
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
