/** `hook EVENT ...`: what became of an event of fail2ban's. Nothing is said unless it is lost: fail2ban logs what we print. */
import type { HookFate, HookFailure } from '../../daemon/hook.ts'
import type { Result } from '../../core/result.ts'
import { done, failed, type Outcome } from '../outcome.ts'

const USAGE = 'banmesh hook EVENT --jail JAIL [--ip IP --time SECONDS --bantime SECONDS] [--failures N]'

export function explainHook(fate: Result<HookFate, HookFailure>): Outcome {
  if (fate.ok) return done({ event: fate.value }, '')
  const { reason } = fate
  if (reason === 'no-config') return failed(2, reason, 'there is no config', 'banmesh status says more')
  if (reason === 'unreadable-config') return failed(2, reason, "the config can't be read", 'banmesh status says why')
  if (reason === 'spool-full' || reason === 'spool-unusable') {
    return failed(1, reason, `the event is lost: the spool can't take it (${reason}), and the daemon does not answer`)
  }
  return failed(2, reason, `not an event of fail2ban (${reason})`, USAGE)
}
