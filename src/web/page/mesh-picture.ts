/** This node in the middle, its friends around it: how thick a line is says how far it trusts, a broken one that it is gone. */
import { h, type ComponentChild } from 'preact'
import type { FriendRow } from '../api.ts'
import { shorten } from './format.ts'

/** Friends that are drawn; the list has all. */
const DRAWN = 16
const WIDTH = 340
const HEIGHT = 196
const NAME_LENGTH = 14

export function MeshPicture({ friends }: { readonly friends: readonly FriendRow[] }): ComponentChild {
  const drawn = friends.slice(0, DRAWN)
  const middle = { x: WIDTH / 2, y: HEIGHT / 2 }
  const places = drawn.map((friend, index) => {
    const angle = (index / drawn.length) * 2 * Math.PI - Math.PI / (drawn.length === 2 ? 1 : 2)
    return { friend, x: middle.x + Math.cos(angle) * 112, y: middle.y - 4 + Math.sin(angle) * 66 }
  })
  const connected = friends.filter((friend) => friend.connected).length
  return h(
    'svg',
    {
      class: 'mesh',
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      role: 'img',
      'aria-label': `This node and ${friends.length} friends, of which ${connected} are connected`
    },
    places.map(({ friend, x, y }) =>
      h('line', {
        key: `line ${friend.id}`,
        class: friend.connected && !friend.paused ? 'up' : 'down',
        x1: middle.x,
        y1: middle.y - 6,
        x2: x,
        y2: y,
        'stroke-width': 1 + (friend.trust / 100) * 3
      })
    ),
    places.map(({ friend, x, y }) =>
      h(
        'g',
        { key: friend.id, class: friend.connected && !friend.paused ? 'up' : 'down' },
        h('circle', { cx: x, cy: y, r: 9 }),
        h('text', { x, y: y < middle.y - 20 ? y - 15 : y + 23 }, shorten(friend.name, NAME_LENGTH))
      )
    ),
    h('circle', { class: 'me', cx: middle.x, cy: middle.y - 6, r: 14 }),
    h('text', { class: 'me', x: middle.x, y: middle.y + 24 }, 'this node')
  )
}
