/** The answer to "why": the verdict in a sentence, the paths as a picture and as text, and what can be done about it. */
import { h, type ComponentChild } from 'preact'
import type { EvidenceView, WhyView } from '../api.ts'
import type { Props } from './app.ts'
import { Bar } from './bar.ts'
import { Dialog } from './dialog.ts'
import { moment, percent, reasonText, shortId, span } from './format.ts'
import { pathTree } from './path-tree.ts'
import { WhyPicture } from './why-picture.ts'

export function WhyDialog(props: Props): ComponentChild {
  const { app, state } = props
  const { why } = state
  return h(
    Dialog,
    { open: why !== null, label: 'why-title', close: () => app.closeWhy() },
    why === null
      ? null
      : [
          h(
            'div',
            { class: 'dialog-head', key: 'head' },
            h('h2', { id: 'why-title' }, why.subject),
            h('button', { type: 'button', class: 'plain', onClick: () => app.closeWhy() }, 'Close')
          ),
          why.refusal === null ? null : h('p', { class: 'empty', role: 'alert', key: 'refusal' }, why.refusal),
          why.answer === null ? null : h(Answer, { ...props, answer: why.answer, key: 'answer' })
        ]
  )
}

function Answer({ app, state, answer }: Props & { readonly answer: WhyView }): ComponentChild {
  const { accepted, score, threshold, reason, until, coveredBy, evidence } = answer
  const word = accepted
    ? 'Banned'
    : evidence.length > 0
      ? 'Held'
      : `Not banned${coveredBy === null ? '' : ' by itself'}`
  const self = state.overview?.status.peerId ?? ''
  const tree = pathTree(self, evidence)
  return h(
    'div',
    { class: 'answer' },
    h(
      'p',
      { class: `verdict ${accepted ? 'bad' : evidence.length > 0 ? 'held' : ''}` },
      h('strong', null, word),
      ` ${reasonText(reason)}.`,
      until === null
        ? null
        : h('span', { class: 'quiet', title: moment(until) }, ` Ends in ${span(until - state.now / 1000)}.`)
    ),
    coveredBy === null
      ? null
      : h(
          'p',
          { class: 'verdict bad' },
          h('strong', null, 'Banned'),
          ' as part of ',
          h('button', { type: 'button', class: 'plain', onClick: () => app.ask(coveredBy) }, coveredBy)
        ),
    h(
      'dl',
      { class: 'score' },
      h('div', null, h('dt', null, 'score'), h('dd', null, h(Bar, { value: score, mark: threshold }))),
      h('div', null, h('dt', null, 'threshold'), h('dd', { class: 'number' }, percent(threshold)))
    ),
    evidence.length === 0
      ? null
      : [
          h(WhyPicture, { tree, compact: matchMedia('(max-width: 640px)').matches, key: 'picture' }),
          tree.hidden === 0 ? null : h('p', { class: 'quiet', key: 'hidden' }, `and ${tree.hidden} weaker paths`),
          h(
            'ul',
            { class: 'paths-list', id: 'paths-list', key: 'list' },
            evidence.map((item, index) => h('li', { key: index }, h(PathText, { item, now: state.now })))
          )
        ],
    h(Actions, { app, state, answer })
  )
}

function PathText({ item, now }: { readonly item: EvidenceView; readonly now: number }): ComponentChild {
  const { path, confidence, jail, until } = item
  const steps = path.map(({ peer, name, trust }) =>
    h('span', { key: peer }, ` → ${name ?? shortId(peer)} ${percent(trust)}`)
  )
  return h(
    'span',
    null,
    'this node',
    steps,
    path.length > 1 ? ` = ${percent(confidence)}` : '',
    h('span', { class: 'quiet', title: moment(until) }, ` jail ${jail}, ends in ${span(until - now / 1000)}`)
  )
}

function Actions({ app, state, answer }: Props & { readonly answer: WhyView }): ComponentChild {
  const { subject, accepted, reason } = answer
  if (state.token === null) {
    return h(
      'p',
      { class: 'actions quiet' },
      'Read-only. ',
      h('button', { type: 'button', class: 'plain', onClick: () => app.openUnlock() }, 'Unlock actions'),
      ' to change something.'
    )
  }
  const button = (text: string, kind: string, act: () => void): ComponentChild =>
    h('button', { type: 'button', class: kind, onClick: act }, text)
  return h(
    'p',
    { class: 'actions' },
    reason === 'vetoed'
      ? button('Forget the veto', '', () => void app.act('forget-veto', { subject }))
      : button('Unban and veto', '', () => void app.act('unban', { subject })),
    accepted ? null : button('Ban for a day', 'danger', () => void app.act('ban', { subject, ttlSeconds: 86_400 }))
  )
}
