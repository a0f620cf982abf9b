/** The whole page: a header, the numbers, and the panels. */
import { h, type ComponentChild } from 'preact'
import type { Props, State, Theme } from './app.ts'
import { AllowPanel } from './allow-panel.ts'
import { BansPanel } from './bans-panel.ts'
import { ChartPanel } from './chart-panel.ts'
import { FeedPanel } from './feed-panel.ts'
import type { AlertView } from '../api.ts'
import { count, shortId, span } from './format.ts'
import { FriendsPanel } from './friends-panel.ts'
import { UnlockDialog } from './unlock-dialog.ts'
import { WhyDialog } from './why-dialog.ts'

export function Screen(props: Props): ComponentChild {
  const { state } = props
  return h(
    'div',
    { class: 'page' },
    h('a', { class: 'skip', href: '#bans' }, 'Skip to the bans'),
    h(Header, props),
    h(Warnings, props),
    h(
      'main',
      { 'aria-busy': state.overview === null || state.rows === null },
      h(Tiles, props),
      h(
        'div',
        { class: 'columns' },
        h('div', { class: 'wide' }, h(BansPanel, props), h(ChartPanel, props), h(AllowPanel, props)),
        h('div', { class: 'narrow' }, h(FriendsPanel, props), h(FeedPanel, props))
      )
    ),
    h(WhyDialog, props),
    h(UnlockDialog, props),
    h(
      'div',
      { class: `notice ${state.notice?.kind ?? ''}`, role: 'status', 'aria-live': 'polite' },
      state.notice?.text ?? ''
    )
  )
}

function Header({ app, state }: Props): ComponentChild {
  const status = state.overview?.status
  const themes: Theme[] = ['auto', 'light', 'dark']
  const nextTheme = themes[(themes.indexOf(state.theme) + 1) % themes.length]!
  return h(
    'header',
    null,
    h('img', { src: '/page/icon.svg', alt: '', width: 28, height: 28 }),
    h('h1', null, 'banmesh'),
    status === undefined
      ? null
      : h(
          'p',
          { class: 'who' },
          h('span', { class: 'chip' }, status.network),
          h('code', { title: status.peerId }, shortId(status.peerId)),
          h('span', { class: 'quiet wide-only' }, `v${status.version}, up ${span(status.uptimeSeconds)}`)
        ),
    h('span', { class: `live ${state.live}`, role: 'status' }, LIVE[state.live]),
    h(
      'div',
      { class: 'tools' },
      h(
        'button',
        { type: 'button', class: 'plain', onClick: () => app.setTheme(nextTheme), title: `Change to ${nextTheme}` },
        `Theme: ${state.theme}`
      ),
      state.token === null
        ? h('button', { type: 'button', onClick: () => app.openUnlock() }, 'Unlock actions')
        : h('button', { type: 'button', class: 'plain', onClick: () => app.lock() }, 'Lock')
    )
  )
}

const LIVE: Readonly<Record<State['live'], string>> = { connecting: 'connecting', live: 'live', lost: 'no connection' }

function Warnings({ state }: Props): ComponentChild {
  const status = state.overview?.status
  if (status === undefined) return null
  const lines = [
    ...(status.mode === 'observe' ? ['Observe mode: everything is computed, nothing is handed over.'] : []),
    ...(status.paused ? ['Paused: nothing is handed over.'] : []),
    ...Object.entries(status.handoff).flatMap(([target, handoff]) =>
      handoff?.lastError ? [`The hand-off to ${target} fails: ${handoff.lastError}`] : []
    ),
    ...status.enforcement.flatMap(({ jail, listed, enforced }) =>
      enforced < listed ? [`The firewall does not block ${listed - enforced} of the ${listed} bans in ${jail}.`] : []
    ),
    ...(status.alerts ?? []).map(alertText),
    ...(status.lastError === null ? [] : [`Last error: ${status.lastError}`])
  ]
  return lines.length === 0
    ? null
    : h(
        'ul',
        { class: 'warnings' },
        lines.map((line) => h('li', { key: line }, line))
      )
}

function alertText({ subject, reason, by }: AlertView): string {
  const whose = reason === 'own-address' ? 'of this node' : 'of a friend'
  const who = by.map(({ origin, name, via }) => `${name ?? shortId(origin)} (by ${via.join(', ')})`).join('; ')
  return `Somebody bans ${subject}, an address ${whose}: ${who}. It is not banned here.`
}

function Tiles({ state }: Props): ComponentChild {
  const status = state.overview?.status
  const shown = (value: number | undefined): string => (value === undefined ? '–' : count(value))
  const handoffs = Object.entries(status?.handoff ?? {}).flatMap(([target, handoff]) =>
    handoff === null ? [] : [{ target, ...handoff }]
  )
  const pending = handoffs.reduce((sum, handoff) => sum + handoff.pending, 0)
  const off = handoffs.length === 0
  const tiles: [string, string, string, string][] = [
    ['bad', 'banned', shown(status?.verdicts.accepted), 'enforced here'],
    ['held', 'held', shown(status?.verdicts.held), 'below the threshold'],
    [
      'good',
      'friends',
      status === undefined ? '–' : `${status.friends.connected}/${status.friends.total}`,
      status?.dht.enabled ? `DHT: ${status.dht.peers} peers` : 'connected'
    ],
    ['', 'reports', shown(status?.reports), `${shown(status?.claims)} claims`],
    [
      '',
      'hand-off',
      status === undefined ? '–' : off ? 'off' : count(pending),
      off ? 'nobody is told' : `to go: ${handoffs.map(({ target }) => target).join(', ')}`
    ]
  ]
  return h(
    'dl',
    { class: 'tiles', 'aria-label': 'Now' },
    tiles.map(([kind, name, value, note]) =>
      h('div', { key: name, class: `tile ${kind}` }, h('dt', null, name), h('dd', null, value), h('dd', null, note))
    )
  )
}
