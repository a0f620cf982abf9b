/**
 * From fail2ban to the mesh: takes events of the hook and of the spool, one after the other, lets `fail2ban/events.ts`
 * say what they mean, and says so under our name. An event is acknowledged when its claims are in the ledger.
 */
import { mkdirSync, watch, type FSWatcher } from 'node:fs'
import type { Answer } from '../control/server.ts'
import type { Subject } from '../core/subject.ts'
import { decide, settle, type Decision, type ShareRules } from '../fail2ban/events.ts'
import { checkHookEvent, type HookEvent } from '../fail2ban/hook-event.ts'
import { readSpool, removeFromSpool, type SpooledEvent } from '../fail2ban/spool.ts'
import type { Flushes } from '../store/flushes.ts'
import type { Ledger } from '../store/ledger.ts'
import type { Ours, Said } from './ours.ts'

export interface HookIntakeOptions {
  readonly ours: Ours
  readonly ledger: Ledger
  readonly flushes: Flushes
  readonly spoolDir: string
  rules(): ShareRules
  /** Whether a subject is one that must not be announced: allowlisted, reserved, a friend's. */
  isProtected(subject: Subject): boolean
  /** Unix ms. */
  now(): number
  /** A spool that can't be read; once per attempt. */
  failed(reason: string): void
  /** So many files of the spool were no events, and are removed. */
  dropped(files: number): void
}

export interface HookIntake {
  take(event: HookEvent): Promise<Answer<Record<string, never>>>
  /** Takes up what the spool holds, then settles flushes whose time has come. */
  catchUp(): Promise<void>
  /** Takes up what comes into the spool as soon as it is there. Where that fails, `catchUp` is called often enough. */
  watch(): void
  stop(): void
}

/** Unix seconds that no ban outlasts: the year 9999. */
const NEVER = 253_402_300_799
/** An event, and when (Unix ms) the hook saw it. */
type Seen = Pick<SpooledEvent, 'event' | 'at'>

/** Events taken from the spool at once. */
const SPOOL_BATCH = 500

export function createHookIntake(options: HookIntakeOptions): HookIntake {
  const { ours, ledger, flushes, spoolDir, now } = options
  /** Everything runs after what came before it. */
  let last: Promise<unknown> = Promise.resolve()
  let watcher: FSWatcher | null = null
  let drainQueued = false

  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = last.then(work)
    last = result.catch(() => undefined)
    return result
  }

  /** All of them in their order, in as few reports as may be. False if not all could be said: then all have to come again. */
  async function apply(events: readonly Seen[]): Promise<boolean> {
    const before = flushes.load()
    let open = before
    const saying: Promise<Said>[] = []
    for (const { event, at } of events) {
      const decided = decide(open, event, at, options.rules())
      for (const decision of decided.decisions) {
        // It has to see what is on its way into the ledger.
        if (decision.kind === 'lift-all' && !(await allSaid(saying.splice(0)))) return false
        saying.push(...carryOut(decision))
      }
      open = decided.flushes
    }
    if (!(await allSaid(saying))) return false
    if (open !== before) flushes.save(open)
    return true
  }

  function carryOut(decision: Decision): Promise<Said>[] {
    switch (decision.kind) {
      case 'announce': {
        const { subject, until, jail, failures, endsAt } = decision
        if (options.isProtected(subject)) return []
        return [ours.say({ kind: 'ban', subject, until, jail, failures }, 'fail2ban', endsAt ?? NEVER)]
      }
      case 'lift':
        return [ours.lift(decision.subject, decision.jail, 'fail2ban')]
      case 'lift-all': {
        const subjects = ledger.ownClaims.inJail(decision.jail, Math.floor(now() / 1000))
        return subjects.map((subject) => ours.lift(subject, decision.jail, 'fail2ban'))
      }
    }
  }

  async function drainSpool(): Promise<void> {
    for (;;) {
      const batch = readSpool(spoolDir, SPOOL_BATCH, now())
      if (!batch.ok) return options.failed(batch.reason)
      const { events, junk } = batch.value
      if (junk.length > 0) {
        options.dropped(junk.length)
        if (!removeFromSpool(spoolDir, junk).ok) options.failed('spool-unusable')
      }
      if (events.length === 0) return
      // Files go only when their events are in the ledger: a crash in between repeats events, and loses none.
      if (!(await apply(events))) return
      const names = events.map(({ name }) => name)
      // One that can't be removed would be said again and again.
      if (!removeFromSpool(spoolDir, names).ok) return options.failed('spool-unusable')
      if (events.length < SPOOL_BATCH) return
    }
  }

  function drainSoon(): void {
    if (drainQueued) return
    drainQueued = true
    inTurn(() => {
      drainQueued = false
      return drainSpool()
    }).catch(() => options.failed('ledger-failed'))
  }

  return {
    watch() {
      try {
        mkdirSync(spoolDir, { recursive: true, mode: 0o700 })
        watcher = watch(spoolDir, drainSoon).on('error', () => watcher?.close())
      } catch {
        watcher = null
      }
    },
    stop() {
      watcher?.close()
    },
    take: (unchecked) =>
      inTurn(async () => {
        const checked = checkHookEvent(unchecked)
        if (!checked.ok)
          return { ok: false, status: 400, reason: checked.reason, message: 'that is no event of fail2ban' }
        const event = checked.value
        await drainSpool()
        if (await apply([{ event, at: now() }])) return { ok: true, value: {} }
        const message = "the ledger can't be written; the daemon's log says why"
        return { ok: false, status: 500, reason: 'internal-error', message }
      }),
    catchUp: () =>
      inTurn(async () => {
        await drainSpool()
        const settled = settle(flushes.load(), now())
        if (settled.decisions.length === 0) return
        if (await allSaid(settled.decisions.flatMap(carryOut))) flushes.save(settled.flushes)
      })
  }
}

async function allSaid(saying: readonly Promise<Said>[]): Promise<boolean> {
  const said = await Promise.all(saying)
  return said.every(({ outcome }) => outcome?.kind !== 'refused' || outcome.reason !== 'internal-error')
}
