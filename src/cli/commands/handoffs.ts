/** `pause`, `resume`, `flush`: whether this node acts on what the mesh says. */
import type { Flushed, Paused, Status } from '../../control/api.ts'
import { ask, type Context } from '../context.ts'
import { done, type Outcome } from '../outcome.ts'

export async function pause(context: Context): Promise<Outcome> {
  const paused = await ask<Paused>(context, { method: 'POST', path: '/v1/pause' })
  if (!paused.ok) return paused
  const text = 'paused: nothing new is handed over; what is banned stays until its end (banmesh flush takes it back)'
  return done(paused.value, text)
}

export async function resume(context: Context): Promise<Outcome> {
  const resumed = await ask<Paused>(context, { method: 'POST', path: '/v1/resume' })
  if (!resumed.ok) return resumed
  const status = await ask<Status>(context, { method: 'GET', path: '/v1/status' })
  const observes = status.ok && status.value.mode === 'observe'
  const text = observes
    ? 'resumed, but policy.mode is observe: nothing is banned'
    : 'resumed: bans are handed over again'
  return done(resumed.value, text)
}

export async function flush(context: Context): Promise<Outcome> {
  const flushed = await ask<Flushed>(context, { method: 'POST', path: '/v1/flush' })
  if (!flushed.ok) return flushed
  const { lifted, atOnce } = flushed.value
  const count = lifted === 1 ? '1 ban of the mesh is' : `${lifted} bans of the mesh are`
  const lines = [`${count} taken back, until banmesh resume or a new verdict`]
  if (lifted > 0 && !atOnce) {
    lines.push(
      'the watched log can only announce it: fail2ban itself lets go at the end of its ban time, or now, by',
      '  fail2ban-client reload --unban banmesh'
    )
  }
  return done(flushed.value, lines.join('\n'))
}
