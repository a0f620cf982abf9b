/**
 * The hand-offs that are turned on, wired to the ledger: the watched log, fail2ban's jails, our own nftables table, the
 * operator's command; any of them, or none.
 */
import { existsSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Logger } from 'pino'
import type { HandoffView, HandoffViews } from '../control/api.ts'
import type { Cidr } from '../core/cidr.ts'
import { ok, type Result } from '../core/result.ts'
import type { Subject } from '../core/subject.ts'
import { createFail2banClient, type Fail2banClient } from '../fail2ban/client.ts'
import { createClientHandoff } from '../fail2ban/client-handoff.ts'
import { enforced, readFirewall, type Enforcement, type FirewallRefusal } from '../fail2ban/enforcement.ts'
import { createExecHandoff } from '../fail2ban/exec-handoff.ts'
import { fail2banInstance } from '../fail2ban/instance.ts'
import { createLogHandoff } from '../fail2ban/log-handoff.ts'
import type { Schedule } from '../fail2ban/loop.ts'
import { createNftHandoff, removeTable } from '../fail2ban/nft-handoff.ts'
import { createNft } from '../fail2ban/nft.ts'
import type { Handoff, Wanted } from '../fail2ban/outbox.ts'
import { createSocketClient, withFallback } from '../fail2ban/socket-client.ts'
import { createWatchedLog } from '../fail2ban/watched-log.ts'
import type { Outbox, Target } from '../store/outbox.ts'
import type { StoredVerdict, Verdicts } from '../store/verdicts.ts'
import type { Config } from './config.ts'

export interface HandoffsOptions {
  readonly outbox: Outbox
  readonly verdicts: Verdicts
  readonly logger: Logger
  config(): Config
  now(): number
  /** Somebody lifted these in the mesh jail: to be vetoed before this returns. */
  veto(subjects: readonly Subject[]): void
}

export interface Handoffs {
  /** Who has to be told; nobody in observe mode. */
  targets(): readonly Target[]
  /** A jail of fail2ban takes the verdicts that the policy has for it, all others take each. */
  takes(target: Target, verdict: StoredVerdict): boolean
  start(): void
  kick(): void
  view(): HandoffViews
  /**
   * How many of the bans that fail2ban's jails list, and that nftables should have, the firewall really blocks; by jail,
   * and `nftables`. A jail that does not answer is left out. Takes the rights to read the firewall.
   */
  enforcement(): Promise<Result<ReadonlyMap<string, Enforcement>, FirewallRefusal>>
  reopenLogs(): void
  stop(): Promise<void>
}

/** Verdicts looked at in one turn of the event loop. */
const PAGE = 1000

/** Jails that the hand-off fills: the one for all, then those that the policy names besides. */
export function meshJails({ handoff: { fail2ban }, policy }: Config): readonly [string, ...string[]] {
  const named = [...policy.jails.values()].flatMap(({ jail }) => jail ?? [])
  const others = new Set(fail2ban.enabled ? named : [])
  others.delete(fail2ban.jail)
  return [fail2ban.jail, ...others]
}

export function createHandoffs({ outbox, verdicts, logger, config, now, veto }: HandoffsOptions): Handoffs {
  const { dataDir, handoff } = config()
  const { log, fail2ban, nftables, exec } = handoff
  const observing = (): boolean => config().policy.mode === 'observe'
  const instance = (): string | null => fail2banInstance(fail2ban.socket)
  // A fail2ban that hangs must not keep us from stopping.
  const ending = new AbortController()
  const common = { outbox, instance, now, schedule }
  let started = false
  /** Whose jails are there. */
  let seen: Config | null = null

  const client = createClient()
  const watchedLog = log === null ? null : createWatchedLog({ path: log.path, now })
  const handoffs = new Map<Target, Handoff>()
  if (watchedLog !== null)
    handoffs.set('log', createLogHandoff({ ...common, wanted: wantedBy('log'), log: watchedLog }))
  if (nftables.enabled) {
    const onRestored = (what: unknown) => logger.warn({ what }, 'bans that nftables had lost are made again')
    const nft = createNft()
    const { block } = nftables
    handoffs.set('nftables', createNftHandoff({ ...common, wanted: wantedBy('nftables'), nft, block, onRestored }))
  }
  if (exec !== null) {
    const { command, concurrency, timeout } = exec
    handoffs.set('exec', createExecHandoff({ ...common, command, concurrency, timeoutMs: timeout * 1000 }))
  }
  addJails()
  outbox.keepOnly([...handoffs.keys()])

  function createClient(): Fail2banClient {
    const { socket } = fail2ban
    const byProgram = createFail2banClient({ client: fail2ban.client, socket, signal: ending.signal })
    if (!fail2ban.direct) return byProgram
    return withFallback(createSocketClient({ socket, signal: ending.signal }), byProgram)
  }

  function targetOf(jail: string): Target {
    return jail === fail2ban.jail ? 'fail2ban' : `fail2ban:${jail}`
  }

  function jailOf(target: Target): string {
    return target.split(':')[1] ?? fail2ban.jail
  }

  function takes(target: Target, { localJail }: StoredVerdict): boolean {
    return !target.startsWith('fail2ban') || target === targetOf(localJail ?? fail2ban.jail)
  }

  function wantedBy(target: Target): () => Iterable<Wanted> {
    return function* () {
      if (observing()) return
      for (const verdict of verdicts.wanted()) if (takes(target, verdict)) yield verdict
    }
  }

  /** A page in each turn of the event loop. */
  async function wantedSubjects(): Promise<readonly Subject[]> {
    const subjects: Subject[] = []
    for (const { subject } of verdicts.wanted()) {
      if (subjects.push(subject) % PAGE === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    return observing() ? [] : subjects
  }

  /** Those that a reload has named are added; those that it names no more are emptied, and stay until the next start. */
  function addJails(): void {
    if (!fail2ban.enabled || config() === seen) return
    seen = config()
    for (const jail of meshJails(config())) {
      const target = targetOf(jail)
      if (handoffs.has(target)) continue
      const onRestored = (count: number) => logger.warn({ count, jail }, 'bans that fail2ban had lost are made again')
      const wanted = wantedBy(target)
      const added = createClientHandoff({ ...common, wanted, client, jail, target, onVeto: veto, onRestored })
      handoffs.set(target, added)
      if (started) added.start()
    }
  }

  /** What remembers, over a restart, that there is a table to be removed once it is not wanted any more. */
  async function lookAfterTable(): Promise<void> {
    const marker = join(dataDir, 'nftables.table')
    if (nftables.enabled) {
      writeFileSync(marker, '')
    } else if (existsSync(marker)) {
      const removed = await removeTable()
      if (removed.ok) unlinkSync(marker)
      else logger.warn({ reason: removed.reason }, 'the nftables table of an earlier run can not be removed')
    }
  }

  function jailsView(): HandoffView | null {
    const views = [...handoffs].flatMap(([target, { view }]) =>
      target.startsWith('fail2ban') ? [{ jail: jailOf(target), ...view() }] : []
    )
    if (views.length === 0) return null
    const failing = views.find(({ lastError }) => lastError !== null)
    const several = views.length > 1 && failing !== undefined
    return {
      pending: views.reduce((sum, { pending }) => sum + pending, 0),
      lastError: several ? `jail ${failing.jail}: ${failing.lastError}` : (failing?.lastError ?? null)
    }
  }

  return {
    targets() {
      addJails()
      return observing() ? [] : [...handoffs.keys()]
    },
    takes,
    start() {
      started = true
      for (const each of handoffs.values()) each.start()
      lookAfterTable().catch((error: unknown) => logger.warn({ error }, 'the data folder can not be written'))
    },
    kick() {
      for (const each of handoffs.values()) each.kick()
    },
    view: () => ({
      log: handoffs.get('log')?.view() ?? null,
      fail2ban: jailsView(),
      nftables: handoffs.get('nftables')?.view() ?? null,
      exec: handoffs.get('exec')?.view() ?? null
    }),
    async enforcement() {
      const lists = new Map<string, readonly Cidr[]>()
      for (const target of handoffs.keys()) {
        if (target === 'nftables') lists.set(target, await wantedSubjects())
        if (!target.startsWith('fail2ban')) continue
        const banned = await client.banned(jailOf(target))
        if (banned.ok) lists.set(jailOf(target), [...banned.value.keys()])
      }
      if (lists.size === 0) return ok(new Map())
      // After the lists: what was listed has been tried to be blocked by then.
      const firewall = await readFirewall()
      if (!firewall.ok) return firewall
      return ok(new Map([...lists].map(([name, subjects]) => [name, enforced(subjects, firewall.value)])))
    },
    reopenLogs() {
      watchedLog?.reopen()
      handoffs.get('log')?.kick()
    },
    async stop() {
      ending.abort()
      await Promise.all([...handoffs.values()].map((each) => each.stop()))
    }
  }
}

export const schedule: Schedule = (run, delayMs) => {
  const timer = setTimeout(run, delayMs)
  return () => clearTimeout(timer)
}
