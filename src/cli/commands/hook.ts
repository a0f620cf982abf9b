/** `hook EVENT ...`: an event of fail2ban's, for the daemon. Says nothing unless it is lost: fail2ban logs what we print. */
import { configPath, type Context } from '../context.ts'
import { done, failed, type Outcome } from '../outcome.ts'

const USAGE = 'banmesh hook EVENT --jail JAIL [--ip IP --time SECONDS --bantime SECONDS] [--failures N]'

export async function hookCommand(context: Context, argv: readonly string[], pid: number): Promise<Outcome> {
  const config = await configPath(context)
  if (!config.ok) return config
  const { deliverHook } = await import('../../daemon/hook.ts')
  const fate = await deliverHook(argv, { config: config.value, now: context.now(), pid })
  if (fate.ok) return done({ event: fate.value }, '')
  const { reason } = fate
  if (reason === 'unreadable-config') {
    return failed(2, reason, `${config.value} can't be read`, 'banmesh status says what is wrong with it')
  }
  if (reason === 'spool-full' || reason === 'spool-unusable') {
    return failed(1, reason, `the event is lost: the daemon is down, and its spool can't take it (${reason})`)
  }
  if (reason === 'refused-by-daemon') return failed(1, reason, 'the daemon refused the event', 'its log says why')
  return failed(2, reason, `not an event of fail2ban (${reason})`, USAGE)
}
