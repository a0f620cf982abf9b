/** The mesh as this node sees it: itself and its friends, who is connected, what each brought and what came of it. */
import { h, type ComponentChild } from 'preact'
import type { FriendRow } from '../api.ts'
import type { App, Props } from './app.ts'
import { Bar } from './bar.ts'
import { ago, count, shortId } from './format.ts'
import { FriendTools } from './friend-tools.ts'
import { MeshPicture } from './mesh-picture.ts'

export function FriendsPanel({ app, state }: Props): ComponentChild {
  const { overview, now, token } = state
  const friends = overview?.friends ?? []
  return h(
    'section',
    { class: 'panel', 'aria-labelledby': 'friends-title' },
    h('div', { class: 'panel-head' }, h('h2', { id: 'friends-title' }, 'Friends')),
    overview !== null && friends.length === 0
      ? h('p', { class: 'empty' }, 'No friends yet: ', h('code', null, 'banmesh friend add'))
      : [
          h(MeshPicture, { friends, key: 'picture' }),
          h(
            'ul',
            { class: 'friends', key: 'list' },
            friends.map((friend) => h(FriendItem, { key: friend.id, friend, now, app: token === null ? null : app }))
          )
        ]
  )
}

interface ItemProps {
  readonly friend: FriendRow
  readonly now: number
  /** Null: nothing can be changed. */
  readonly app: App | null
}

function FriendItem({ friend, now, app }: ItemProps): ComponentChild {
  const { id, name, trust, connected, paused, observe, lastSeen, rttMs, claims, stats, suggestedTrust } = friend
  const link = paused
    ? 'paused'
    : connected
      ? `connected${rttMs === null ? '' : `, ${rttMs < 10 ? rttMs.toFixed(1) : Math.round(rttMs)} ms`}`
      : lastSeen === null
        ? 'never seen'
        : `gone, seen ${ago(lastSeen * 1000, now)}`
  const record: readonly [string, number, string][] = [
    ['live', claims, 'claims that it was the first to bring and that are live'],
    ['new', stats.accepted, 'reports that it was the first to bring, since the start'],
    ['confirmed', stats.confirmed, 'subjects that this node has banned itself'],
    ['disputed', stats.disputed, 'subjects that you, the allowlist or an own address contradict'],
    ['rejected', stats.rejected, 'reports that were refused since the start']
  ]
  return h(
    'li',
    { class: connected && !paused ? 'up' : 'down' },
    h(
      'div',
      { class: 'friend-head' },
      h('span', { class: 'dot' }),
      h('strong', null, name),
      h('code', { title: id }, shortId(id)),
      observe ? h('span', { class: 'chip', title: 'Computed, and acted on by nobody' }, 'observed') : null,
      h('span', { class: 'quiet' }, link)
    ),
    h(
      'div',
      { class: 'friend-trust' },
      h('span', { class: 'quiet' }, 'trust'),
      h(Bar, { value: trust }),
      typeof suggestedTrust === 'number'
        ? h(
            'span',
            { class: 'quiet', title: 'What its record speaks for; nothing changes by itself' },
            `suggested ${suggestedTrust} %`
          )
        : null
    ),
    h(
      'dl',
      { class: 'record' },
      record.map(([word, value, title]) =>
        h(
          'div',
          { key: word, title, class: value > 0 && (word === 'disputed' || word === 'rejected') ? 'warn' : '' },
          h('dt', null, word),
          h('dd', null, count(value))
        )
      )
    ),
    app === null ? null : h(FriendTools, { app, friend })
  )
}
