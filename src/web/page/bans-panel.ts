/** Active and held bans: search, pages, a form for a new one; each subject opens its why. */
import { h, type ComponentChild } from 'preact'
import type { VerdictQuery, VerdictRow } from '../api.ts'
import type { Props } from './app.ts'
import { Bar } from './bar.ts'
import { moment, reasonText, span } from './format.ts'

const TABS: readonly [VerdictQuery['state'], string][] = [
  ['accepted', 'Banned'],
  ['held', 'Held'],
  ['all', 'All']
]
const TTLS: readonly [number, string][] = [
  [3600, '1 hour'],
  [86_400, '1 day'],
  [7 * 86_400, '7 days']
]

export function BansPanel(props: Props): ComponentChild {
  return h(
    'section',
    { class: 'panel', id: 'bans', 'aria-labelledby': 'bans-title', tabIndex: -1 },
    h('div', { class: 'panel-head' }, h('h2', { id: 'bans-title' }, 'Bans'), h(Tabs, props), h(Search, props)),
    h(Rows, props),
    props.state.token === null ? null : [h(BanForm, { ...props, key: 'ban' }), h(Switches, { ...props, key: 'all' })]
  )
}

function Tabs({ app, state }: Props): ComponentChild {
  return h(
    'div',
    { class: 'tabs', role: 'group', 'aria-label': 'Which bans' },
    TABS.map(([value, text]) =>
      h(
        'button',
        {
          key: value,
          type: 'button',
          'aria-pressed': state.filter.state === value,
          onClick: () => app.show({ state: value })
        },
        text
      )
    )
  )
}

/** Typing filters; Enter asks why about an address, listed or not. */
function Search({ app, state }: Props): ComponentChild {
  return h(
    'form',
    {
      class: 'search',
      role: 'search',
      onSubmit(event: Event) {
        event.preventDefault()
        app.ask(state.filter.text)
      }
    },
    h('input', {
      type: 'search',
      'aria-label': 'Search address, range or jail',
      placeholder: 'Address, range or jail',
      value: state.filter.text,
      maxLength: 64,
      spellcheck: false,
      autocomplete: 'off',
      onInput: ({ currentTarget }: { currentTarget: EventTarget | null }) =>
        app.show({ text: (currentTarget as HTMLInputElement).value })
    }),
    h('button', { type: 'submit', title: 'Why is this address banned, or why is it not?' }, 'Why?')
  )
}

function Rows({ app, state }: Props): ComponentChild {
  const { rows, next, filter, now } = state
  if (rows === null) return h('p', { class: 'empty' }, 'Reading…')
  if (rows.length === 0) {
    return h('p', { class: 'empty' }, filter.text === '' ? EMPTY[filter.state] : 'Nothing matches.')
  }
  return h(
    'div',
    { class: 'scroll', tabIndex: 0, role: 'region', 'aria-labelledby': 'bans-title' },
    h(
      'table',
      { class: 'bans' },
      h(
        'thead',
        null,
        h(
          'tr',
          null,
          ['Subject', 'Score', 'Jail', 'Origins', 'Ends in'].map((name) => h('th', { key: name, scope: 'col' }, name))
        )
      ),
      h(
        'tbody',
        null,
        rows.map((row) => h(Row, { key: row.subject, row, now, ask: app.ask }))
      )
    ),
    next === null ? null : h('button', { type: 'button', class: 'more', onClick: () => void app.more() }, 'Show more')
  )
}

const EMPTY: Readonly<Record<VerdictQuery['state'], string>> = {
  accepted: 'Nothing is banned.',
  held: 'Nothing is held.',
  all: 'Nobody has reported anything.'
}

interface RowProps {
  readonly row: VerdictRow
  readonly now: number
  ask(subject: string): void
}

function Row({ row, now, ask }: RowProps): ComponentChild {
  const { subject, score, accepted, jail, origins, until, source, reason } = row
  return h(
    'tr',
    { class: accepted ? 'bad' : 'held' },
    h(
      'th',
      { scope: 'row' },
      h(
        'div',
        null,
        h(
          'span',
          { class: 'dot', title: reasonText(reason) },
          h('span', { class: 'unseen' }, accepted ? 'banned' : 'held')
        ),
        h('button', { type: 'button', class: 'subject', onClick: () => ask(subject) }, subject),
        source === 'own' ? h('span', { class: 'chip' }, 'own') : null
      )
    ),
    h('td', null, h(Bar, { value: score })),
    h('td', { class: 'jail' }, jail),
    h('td', { class: 'number' }, origins),
    h('td', { class: 'number', title: moment(until) }, span(until - now / 1000))
  )
}

function BanForm({ app }: Props): ComponentChild {
  async function submit(event: Event): Promise<void> {
    event.preventDefault()
    const form = event.currentTarget as HTMLFormElement
    const fields = new FormData(form)
    const done = await app.act('ban', {
      subject: fields.get('subject') as string,
      ttlSeconds: Number(fields.get('ttl'))
    })
    if (done) form.reset()
  }
  return h(
    'form',
    { class: 'ban-form', onSubmit: (event: Event) => void submit(event) },
    h('label', { for: 'ban-subject' }, 'Ban an address'),
    h('input', {
      id: 'ban-subject',
      name: 'subject',
      required: true,
      maxLength: 64,
      spellcheck: false,
      autocomplete: 'off',
      placeholder: 'Address or range'
    }),
    h(
      'select',
      { name: 'ttl', 'aria-label': 'For how long' },
      TTLS.map(([seconds, text]) => h('option', { key: seconds, value: seconds }, text))
    ),
    h('button', { type: 'submit', class: 'danger' }, 'Ban')
  )
}

/** What concerns all bans of the mesh at once. */
function Switches({ app, state }: Props): ComponentChild {
  const paused = state.overview?.status.paused ?? false
  return h(
    'p',
    { class: 'switches' },
    h('span', { class: 'quiet' }, 'All bans of the mesh'),
    paused
      ? h('button', { type: 'button', class: 'plain', onClick: () => void app.turn('resume') }, 'Resume the hand-off')
      : h('button', { type: 'button', class: 'plain', onClick: () => void app.turn('pause') }, 'Pause the hand-off'),
    h(
      'details',
      null,
      h('summary', null, 'Flush…'),
      h('span', null, 'fail2ban lets go of every ban that came from friends. '),
      h('button', { type: 'button', class: 'danger', onClick: () => void app.turn('flush') }, 'Flush them')
    )
  )
}
