/** The hand-offs that are turned on, wired to the ledger: the watched log, fail2ban-client, both, or none. */
import type { Logger } from 'pino'
import type { HandoffView } from '../control/api.ts'
import type { Subject } from '../core/subject.ts'
import { createFail2banClient } from '../fail2ban/client.ts'
import { createClientHandoff } from '../fail2ban/client-handoff.ts'
import { fail2banInstance } from '../fail2ban/instance.ts'
import { createLogHandoff } from '../fail2ban/log-handoff.ts'
import type { Schedule } from '../fail2ban/loop.ts'
import type { Handoff, Wanted } from '../fail2ban/outbox.ts'
import { createWatchedLog } from '../fail2ban/watched-log.ts'
import type { Outbox, Target } from '../store/outbox.ts'
import type { Verdicts } from '../store/verdicts.ts'
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
  start(): void
  kick(): void
  view(): { readonly log: HandoffView | null; readonly fail2ban: HandoffView | null }
  reopenLogs(): void
  stop(): Promise<void>
}

export function createHandoffs({ outbox, verdicts, logger, config, now, veto }: HandoffsOptions): Handoffs {
  const { log, fail2ban } = config().handoff
  const observing = (): boolean => config().policy.mode === 'observe'
  const instance = (): string | null => fail2banInstance(fail2ban.socket)
  const wanted = (): Iterable<Wanted> => (observing() ? [] : verdicts.wanted())
  // A fail2ban that hangs must not keep us from stopping.
  const ending = new AbortController()
  const common = { outbox, wanted, instance, now, schedule }

  const watchedLog = log === null ? null : createWatchedLog({ path: log.path, now })
  const handoffs: Partial<Record<Target, Handoff>> = {
    ...(watchedLog !== null && { log: createLogHandoff({ ...common, log: watchedLog }) }),
    ...(fail2ban.enabled && {
      fail2ban: createClientHandoff({
        ...common,
        client: createFail2banClient({ client: fail2ban.client, socket: fail2ban.socket, signal: ending.signal }),
        jail: fail2ban.jail,
        onVeto: veto,
        onRestored: (count) => logger.warn({ count, jail: fail2ban.jail }, 'bans that fail2ban had lost are made again')
      })
    })
  }
  const all = Object.values(handoffs)
  for (const target of ['log', 'fail2ban'] as const) if (handoffs[target] === undefined) outbox.clear(target)

  return {
    targets: () => (observing() ? [] : (Object.keys(handoffs) as Target[])),
    start() {
      for (const handoff of all) handoff.start()
    },
    kick() {
      for (const handoff of all) handoff.kick()
    },
    view: () => ({ log: handoffs.log?.view() ?? null, fail2ban: handoffs.fail2ban?.view() ?? null }),
    reopenLogs() {
      watchedLog?.reopen()
      handoffs.log?.kick()
    },
    async stop() {
      ending.abort()
      await Promise.all(all.map((handoff) => handoff.stop()))
    }
  }
}

const schedule: Schedule = (run, delayMs) => {
  const timer = setTimeout(run, delayMs)
  return () => clearTimeout(timer)
}
