/** What happens, as it happens, the newest first. */
import { h, type ComponentChild } from 'preact'
import type { LiveEvent } from '../api.ts'
import type { Props } from './app.ts'
import { ago, percent } from './format.ts'

const SHOWN = 40
const WORDS: Readonly<Record<LiveEvent['kind'], string>> = {
  banned: 'banned',
  held: 'held',
  ended: 'let go',
  connected: 'connected',
  gone: 'gone',
  alarm: 'somebody bans'
}

export function FeedPanel({ app, state }: Props): ComponentChild {
  const { events, now } = state
  return h(
    'section',
    { class: 'panel', 'aria-labelledby': 'feed-title' },
    h('div', { class: 'panel-head' }, h('h2', { id: 'feed-title' }, 'Live')),
    events.length === 0
      ? h('p', { class: 'empty' }, 'Nothing has happened since the start.')
      : h(
          'ol',
          { class: 'feed', role: 'log', 'aria-live': 'off', 'aria-labelledby': 'feed-title', tabIndex: 0 },
          events.slice(0, SHOWN).map((event) => h(Item, { key: event.id, event, now, ask: app.ask }))
        ),
    // One sentence for many events: a screen reader must not be flooded.
    h('p', { class: 'unseen', 'aria-live': 'polite' }, events.length === 0 ? '' : sentence(events[0]!))
  )
}

interface ItemProps {
  readonly event: LiveEvent
  readonly now: number
  ask(subject: string): void
}

function Item({ event, now, ask }: ItemProps): ComponentChild {
  const { kind, subject, name, jail, score, at } = event
  return h(
    'li',
    { class: kind },
    h('span', { class: 'word' }, WORDS[kind]),
    subject === null
      ? h('strong', null, name ?? '')
      : h('button', { type: 'button', class: 'subject', onClick: () => ask(subject) }, subject),
    h(
      'span',
      { class: 'quiet', title: jail === null ? '' : `jail ${jail}` },
      kind === 'banned' || kind === 'held' ? percent(score ?? 0) : kind === 'alarm' ? 'ours or a friend’s' : ''
    ),
    h(
      'time',
      { class: 'quiet', dateTime: new Date(at).toISOString(), title: new Date(at).toLocaleString() },
      ago(at, now)
    )
  )
}

function sentence({ kind, subject, name }: LiveEvent): string {
  return kind === 'alarm' ? `Alarm: somebody bans ${subject}` : `${subject ?? name} ${WORDS[kind]}`
}
