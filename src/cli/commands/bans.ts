/** `ban` and `unban`: this node's own claims, and its veto against the mesh's verdicts. */
import type { Banned, BanRequest, Unbanned } from '../../control/api.ts'
import { parseDuration } from '../../core/duration.ts'
import { JAIL_NAME } from '../../core/limits.ts'
import { ask, subjectPath, type Context } from '../context.ts'
import { done, failed, type Outcome } from '../outcome.ts'
import { readSubject } from '../subjects.ts'
import { formatUntil } from '../text.ts'

export async function ban(context: Context, text: string, options: { jail?: string; ttl?: string }): Promise<Outcome> {
  const subject = readSubject(text)
  if (!subject.ok) return subject
  const { jail } = options
  if (jail !== undefined && !JAIL_NAME.test(jail)) {
    return failed(2, 'bad-jail', '--jail takes a name of 1 to 64 letters, digits, _ . -')
  }
  const ttl = options.ttl === undefined ? null : parseDuration(options.ttl)
  if (ttl !== null && (!ttl.ok || ttl.value === 0))
    return failed(2, 'bad-ttl', '--ttl takes a duration: 90, 90s, 10m, 12h or 7d')
  const body: BanRequest = {
    subject: subject.value,
    ...(jail === undefined ? {} : { jail }),
    ...(ttl?.ok === true ? { ttlSeconds: ttl.value } : {})
  }
  const banned = await ask<Banned>(context, { method: 'POST', path: '/v1/bans', body })
  if (!banned.ok) return banned
  return done(banned.value, `banned ${subject.value}, ends ${formatUntil(banned.value.until, context.now())}`)
}

export async function unban(context: Context, text: string, options: { forgetVeto?: boolean }): Promise<Outcome> {
  const subject = readSubject(text)
  if (!subject.ok) return subject
  const folder = options.forgetVeto === true ? 'vetoes' : 'bans'
  const unbanned = await ask<Unbanned>(context, { method: 'DELETE', path: subjectPath(folder, subject.value) })
  if (!unbanned.ok) return unbanned
  return done(unbanned.value, describe(unbanned.value))
}

function describe({ subject, reportId, vetoed }: Unbanned): string {
  if (!vetoed) return `the mesh may ban ${subject} again`
  const lifted = reportId === null ? 'there was no own ban' : 'the own ban is lifted'
  return `unbanned ${subject}: ${lifted}, and the mesh can't ban it here (until unban --forget-veto)`
}
