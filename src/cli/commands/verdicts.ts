/** `list`, `why` and `check`: what this node has concluded about addresses, and for what reasons. */
import type { Checked, VerdictView, Why } from '../../control/api.ts'
import { ask, subjectPath, type Context } from '../context.ts'
import { done, type Outcome } from '../outcome.ts'
import { readSubject } from '../subjects.ts'
import { formatTable } from '../table.ts'
import { formatUntil, percent, printable } from '../text.ts'

const HELD_UNTIL = {
  paused: 'before banmesh resume',
  flushed: 'before banmesh resume',
  observed: 'while policy.mode is observe'
} as const

export async function list(context: Context, { all = false }: { all?: boolean }): Promise<Outcome> {
  const verdicts = await ask<VerdictView[]>(context, { method: 'GET', path: `/v1/verdicts?all=${all}` })
  if (!verdicts.ok) return verdicts
  if (verdicts.value.length === 0) return done([], all ? 'nobody has said anything' : 'nothing is banned')
  const rows = verdicts.value.map(({ subject, score, accepted, until, origins, source }) => [
    subject,
    percent(score),
    accepted ? 'banned' : 'held',
    formatUntil(until, context.now()),
    String(origins),
    source
  ])
  return done(
    verdicts.value,
    formatTable([['SUBJECT', 'SCORE', 'STATE', 'ENDS', 'ORIGINS', 'SOURCE'], ...rows], context.columns)
  )
}

export async function why(context: Context, text: string): Promise<Outcome> {
  const subject = readSubject(text)
  if (!subject.ok) return subject
  const answer = await ask<Why>(context, { method: 'GET', path: subjectPath('why', subject.value) })
  if (!answer.ok) return answer
  const { score, threshold, accepted, reason, until, evidence, heldBack, coveredBy } = answer.value
  const held = heldBack === null ? '' : `, but ${heldBack}: not handed over ${HELD_UNTIL[heldBack]}`
  const part = `as part of ${coveredBy}`
  const cover = coveredBy === null ? '' : accepted ? `, also ${part}` : ` ${part}; by itself`
  const state = accepted || coveredBy !== null ? `banned here${cover}${held}` : 'not banned here'
  const ends = until === null ? '' : `, ends ${formatUntil(until, context.now())}`
  const head = `${subject.value} is ${state}: score ${percent(score)}, threshold ${percent(threshold)} (${printable(reason)})${ends}`
  const whom = coveredBy === null ? 'it' : `it alone; banmesh why ${coveredBy} says more`
  if (evidence.length === 0) return done(answer.value, `${head}\nnobody has said anything about ${whom}`)
  const rows = evidence.map((item) => [
    percent(item.confidence),
    item.jail,
    formatUntil(item.until, context.now()),
    item.path.length === 0
      ? 'this node'
      : item.path.map(({ peer, name, trust }) => `${name ?? peer} (${percent(trust)})`).join(' <- ')
  ])
  return done(
    answer.value,
    `${head}\n${formatTable([['WEIGHS', 'JAIL', 'ENDS', 'TOLD BY'], ...rows], context.columns)}`
  )
}

export async function check(context: Context, text: string): Promise<Outcome> {
  const subject = readSubject(text)
  if (!subject.ok) return subject
  const checked = await ask<Checked>(context, { method: 'GET', path: subjectPath('check', subject.value) })
  if (!checked.ok) return checked
  const { banned, by } = checked.value
  const cover = by === null || by === subject.value ? '' : `, as part of ${by}`
  return done(checked.value, `${subject.value} is ${banned ? 'banned' : 'not banned'} here${cover}`, {
    exit: banned ? 0 : 1
  })
}
