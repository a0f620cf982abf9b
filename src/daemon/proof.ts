/**
 * Proof of enforcement, taken every few minutes while the daemon runs: of the bans that fail2ban's jails list and that
 * nftables should have, how many the firewall really blocks. Whoever may not read the firewall can't know: an
 * unprivileged daemon, as the log hand-off needs no other, shows nothing.
 */
import type { Logger } from 'pino'
import type { EnforcementView } from '../control/api.ts'
import { ok, type Result } from '../core/result.ts'
import type { Enforcement, FirewallRefusal } from '../fail2ban/enforcement.ts'
import { createLoop, type Schedule } from '../fail2ban/loop.ts'

export interface ProofOptions {
  read(): Promise<Result<ReadonlyMap<string, Enforcement>, FirewallRefusal>>
  /** Between two looks. */
  everySeconds(): number
  readonly logger: Pick<Logger, 'info' | 'warn'>
  readonly schedule: Schedule
}

/** Milliseconds until somebody who may not look tries again: a program may have been installed. */
const REFUSED_MS = 24 * 3600 * 1000

export function createProof({ read, everySeconds, logger, schedule }: ProofOptions) {
  let found: ReadonlyMap<string, Enforcement> = new Map()
  let begun = false

  /** What was open at the last look too is no ban that is just being made. */
  function warn(before: typeof found): void {
    for (const [jail, { listed, blocked, open }] of found) {
      const known = before.get(jail)?.open ?? []
      if (known.length === 0 || !open.some((subject) => known.includes(subject))) continue
      logger.warn({ jail, listed, blocked, open }, 'bans are listed, and the firewall does not block them')
    }
  }

  const loop = createLoop({
    schedule,
    async work() {
      // At the start there is nothing to see yet.
      if (begun) {
        const looked = await read()
        if (!looked.ok) {
          found = new Map()
          logger.info(
            { reason: looked.reason },
            "the firewall can't be read: whether bans are enforced is not measured"
          )
          return ok(REFUSED_MS)
        }
        const before = found
        found = looked.value
        warn(before)
      }
      begun = true
      return ok(everySeconds() * 1000)
    }
  })
  return {
    start: loop.start,
    stop: loop.stop,
    /** Empty: not measured. */
    view: (): EnforcementView[] =>
      Array.from(found, ([jail, { listed, blocked }]) => ({ jail, listed, enforced: blocked }))
  }
}
