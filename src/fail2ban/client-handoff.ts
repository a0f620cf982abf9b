/**
 * The hand-off to a jail of fail2ban by commands: carries out the outbox, and compares with the jail's list every so often, so that both
 * agree again whatever an administrator, a restart or a lost database did (the rules are in reconcile.ts).
 *
 * The repairs that a comparison finds wait in a queue, and changes from the outbox go first.
 */
import type { Cidr } from '../core/cidr.ts'
import { ok, type Result } from '../core/result.ts'
import { CLIENT_LIMITS, type ClientRefusal, type Fail2banClient } from './client.ts'
import { createLoop, type Schedule } from './loop.ts'
import type { Handoff, HandoffTarget, Outbox, OutboxEntry, Wanted, WantedNow } from './outbox.ts'
import { createJailLife, type JailLife } from './jail-life.ts'
import { compare, ignoring, LIFTED_SECONDS } from './reconcile.ts'

export const CLIENT_HANDOFF = {
  /** Milliseconds between two comparisons, of four questions each. */
  compareMs: 60_000,
  /** And at least, where the jail's ban time is short. */
  minCompareMs: 1000,
  /** Milliseconds between two looks at the server's socket, to compare at once when it was started. */
  lookMs: 5000
} as const

export interface ClientHandoffOptions {
  readonly client: Fail2banClient
  readonly jail: string
  readonly target: HandoffTarget
  readonly outbox: Outbox
  readonly wanted: WantedNow
  /** Changes when fail2ban is started; null if it can't be seen (`fail2banInstance`). */
  readonly instance: () => string | null
  /**
   * Somebody lifted these bans in the mesh jail: the daemon has to veto them before this returns. They are not banned
   * again unless they are still wanted at the next comparison.
   */
  readonly onVeto: (subjects: readonly Wanted['subject'][]) => void
  /** So many bans had been lost by fail2ban, or lifted in bulk, and are made again. */
  readonly onRestored?: (count: number) => void
  /** Unix ms. */
  readonly now: () => number
  readonly schedule: Schedule
  readonly compareMs?: number
}

/** After these, nothing was carried out. */
const NOT_DONE: ReadonlySet<ClientRefusal> = new Set(['no-client', 'unreachable', 'denied', 'unknown-jail'])

export function createClientHandoff(options: ClientHandoffOptions): Handoff {
  const { client, jail, target, outbox, wanted, instance, now, schedule } = options
  const { compareMs = CLIENT_HANDOFF.compareMs } = options
  /** What we handed over, and when (Unix seconds). */
  const handed = new Map<Cidr, number>()
  /** What we lifted, and when (Unix seconds). */
  const lifted = new Map<Cidr, number>()
  const repairs = { ban: new Set<Cidr>(), unban: new Set<Cidr>() }
  let life: JailLife | null = null
  let banTimeSeconds = 0
  let isIgnored = ignoring([])
  /** The server that answered the last comparison. */
  let comparedWith: string | null = null
  let compareAt = Number.NEGATIVE_INFINITY

  /** What is missing now is nobody's judgement, and is to be made good at once. */
  function compareAnew(): void {
    life = null
    compareAt = Number.NEGATIVE_INFINITY
  }

  async function ban(subjects: readonly Cidr[]): Promise<Result<void, ClientRefusal>> {
    const wantedOnes = subjects.filter((subject) => !isIgnored(subject))
    // Before the call: the ban ends a little later than we reckon.
    const nowSeconds = Math.floor(now() / 1000)
    const result = await client.ban(jail, wantedOnes)
    if (!result.ok) {
      // Perhaps some were banned: what the jail counts says nothing now.
      if (!NOT_DONE.has(result.reason)) compareAnew()
      return result
    }
    life?.grow(result.value, wantedOnes)
    for (const subject of wantedOnes) {
      handed.set(subject, nowSeconds)
      lifted.delete(subject)
    }
    for (const subject of subjects) repairs.ban.delete(subject)
    return ok(undefined)
  }

  async function unban(subjects: readonly Cidr[]): Promise<Result<void, ClientRefusal>> {
    const result = await client.unban(jail, subjects)
    if (!result.ok) return result
    for (const subject of subjects) {
      handed.delete(subject)
      lifted.set(subject, Math.floor(now() / 1000))
      repairs.ban.delete(subject)
      repairs.unban.delete(subject)
    }
    if (subjects.some((subject) => subject.includes('/'))) {
      // fail2ban may have taken along addresses in it.
      compareAnew()
    }
    return ok(undefined)
  }

  /** A ban that fail2ban has lasts as it is: to make it again could undo an unban before the comparison sees it as a veto. */
  function isNews(subject: Cidr): boolean {
    return (handed.get(subject) ?? Number.NEGATIVE_INFINITY) + banTimeSeconds <= now() / 1000
  }

  async function drain(): Promise<Result<void, ClientRefusal>> {
    for (;;) {
      const entries = outbox.pending(target, CLIENT_LIMITS.batch)
      if (entries.length === 0) return ok(undefined)
      for (const run of runsOf(entries)) {
        const subjects = run.map(({ subject }) => subject)
        const result = await (run[0]!.action === 'ban' ? ban(subjects.filter(isNews)) : unban(subjects))
        if (!result.ok) return result
        outbox.done(target, run)
      }
    }
  }

  async function compareLists(): Promise<Result<void, ClientRefusal>> {
    const seen = instance()
    const banTime = await client.banTime(jail)
    if (!banTime.ok) return banTime
    const ignored = await client.ignored(jail)
    if (!ignored.ok) return ignored
    const everBanned = await client.everBanned(jail)
    if (!everBanned.ok) return everBanned
    const listed = await client.banned(jail)
    if (!listed.ok) return listed
    const shorter = Math.min(banTime.value, life === null ? banTime.value : banTimeSeconds)
    banTimeSeconds = banTime.value
    isIgnored = ignoring(ignored.value)
    const lifeNow = createJailLife(seen, everBanned.value, listed.value.keys())
    const nowSeconds = Math.floor(now() / 1000)
    for (const [subject, at] of lifted) if (Math.abs(nowSeconds - at) > LIFTED_SECONDS) lifted.delete(subject)
    const result = compare({
      wanted: wanted(),
      handed,
      lifted: new Set(lifted.keys()),
      listed: new Set(listed.value.keys()),
      ignored: ignored.value,
      life: life === null ? 'unknown' : life.goesOnAs(lifeNow) ? 'same' : 'new',
      banTimeSeconds: shorter,
      nowSeconds
    })
    life = lifeNow
    comparedWith = seen
    for (const subject of [...result.veto, ...result.forget]) handed.delete(subject)
    repairs.ban = new Set(result.ban)
    repairs.unban = new Set(result.unban)
    compareAt = now() + Math.max(CLIENT_HANDOFF.minCompareMs, Math.min(compareMs, (banTimeSeconds * 1000) / 4))
    if (result.veto.length > 0) options.onVeto(result.veto)
    if (result.restored > 0) options.onRestored?.(result.restored)
    return ok(undefined)
  }

  function isTimeToCompare(): boolean {
    const current = instance()
    if (current !== null && current !== comparedWith) return true
    // Also if the clock was set back.
    return now() >= compareAt || now() < compareAt - compareMs
  }

  /** One batch of what the last comparison found. */
  async function repair(): Promise<Result<void, ClientRefusal>> {
    const unbans = [...repairs.unban].slice(0, CLIENT_LIMITS.batch)
    if (unbans.length > 0) return unban(unbans)
    return ban([...repairs.ban].slice(0, CLIENT_LIMITS.batch))
  }

  const loop = createLoop({
    schedule,
    async work() {
      // The first comparison also tells what the first ban has to know: the jail's ban time and whom it ignores.
      if (compareAt === Number.NEGATIVE_INFINITY) {
        const compared = await compareLists()
        if (!compared.ok) return compared
      }
      const drained = await drain()
      if (!drained.ok) return drained
      if (repairs.ban.size + repairs.unban.size > 0) {
        const repaired = await repair()
        return repaired.ok ? ok(0) : repaired
      }
      if (isTimeToCompare()) {
        const compared = await compareLists()
        if (!compared.ok) return compared
      }
      if (repairs.ban.size + repairs.unban.size > 0) return ok(0)
      return ok(Math.max(0, Math.min(compareAt - now(), CLIENT_HANDOFF.lookMs)))
    }
  })
  return {
    ...loop,
    view: () => ({ pending: outbox.count(target) + repairs.ban.size, lastError: loop.lastError() })
  }
}

/** Neighbours with the same action, in one call each. */
function runsOf(entries: readonly OutboxEntry[]): OutboxEntry[][] {
  const runs: OutboxEntry[][] = []
  for (const entry of entries) {
    const last = runs.at(-1)
    if (last?.[0]?.action === entry.action) last.push(entry)
    else runs.push([entry])
  }
  return runs
}
