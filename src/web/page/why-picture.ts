/**
 * Why, as a picture: every path by which a subject was reported, from this node at the left to the origins at the right.
 * On each line stands what the node before trusts the one behind, on each node what is left of the trust there.
 */
import { h, type ComponentChild } from 'preact'
import { percent, shorten, shortId } from './format.ts'
import type { Tree, TreeNode } from './path-tree.ts'

const ROW = 64
const NODE_HEIGHT = 42

/** `compact`: for a narrow screen. */
export function WhyPicture({ tree, compact }: { readonly tree: Tree; readonly compact: boolean }): ComponentChild {
  const node = compact ? 74 : 124
  const column = compact ? 124 : 214
  const width = tree.depth * column + node + 4
  const height = tree.rows * ROW
  const x = (of: TreeNode): number => of.depth * column + 2
  const y = (of: TreeNode): number => of.row * ROW + ROW / 2

  const edges = tree.nodes.flatMap((parent) =>
    parent.children.map((child) => {
      const [x1, y1, x2, y2] = [x(parent) + node, y(parent), x(child), y(child)]
      const bend = (x2 - x1) / 2
      const label = onCurve(x1, y1, x2, y2)
      return h(
        'g',
        { key: `edge ${child.key}`, class: 'edge' },
        h('path', {
          d: `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`,
          'stroke-width': 1 + (child.trust / 100) * 2.5
        }),
        h('text', { x: label.x, y: label.y + 4 }, percent(child.trust))
      )
    })
  )
  const nodes = tree.nodes.map((at) => {
    const me = at === tree.root
    const jails = at.claims.map(({ jail }) => jail).join(', ')
    const letters = compact ? 9 : 16
    return h(
      'g',
      { key: `node ${at.key}`, class: me ? 'node me' : at.claims.length > 0 ? 'node origin' : 'node' },
      h('rect', { x: x(at), y: y(at) - NODE_HEIGHT / 2, width: node, height: NODE_HEIGHT, rx: 8 }),
      h(
        'text',
        { class: 'name', x: x(at) + node / 2, y: me && jails === '' ? y(at) + 4 : y(at) - 3 },
        me ? 'this node' : shorten(at.name ?? shortId(at.peer), letters)
      ),
      h(
        'text',
        { class: 'note', x: x(at) + node / 2, y: y(at) + 13 },
        me ? (jails === '' ? '' : shorten(`bans: ${jails}`, letters)) : percent(at.product)
      ),
      jails === '' || me
        ? null
        : h(
            'text',
            { class: 'jail', x: x(at) + node / 2, y: y(at) + NODE_HEIGHT / 2 + 10 },
            shorten(jails, compact ? 14 : 24)
          )
    )
  })
  return h(
    'div',
    { class: 'scroll', tabIndex: 0, role: 'region', 'aria-label': 'The paths as a picture' },
    h(
      'svg',
      {
        class: 'paths',
        viewBox: `0 0 ${width} ${height + 6}`,
        width,
        height: height + 6,
        role: 'img',
        'aria-labelledby': 'paths-list'
      },
      edges,
      nodes
    )
  )
}

/** Where a line's number stands: nearer its end, where the lines of one node are apart. */
const LABEL_AT = 0.64

/** A point of the line, which is a cubic with its control points half way. */
function onCurve(x1: number, y1: number, x2: number, y2: number): { readonly x: number; readonly y: number } {
  const [t, s] = [LABEL_AT, 1 - LABEL_AT]
  const middle = (3 * s * s * t + 3 * s * t * t) / 2
  return { x: x1 + (x2 - x1) * (middle + t ** 3), y: y1 + (y2 - y1) * (3 * s * t * t + t ** 3) }
}
