/**
 * The evidence about a subject as a tree of nodes with places to draw them at: this node at the left, its friends, theirs,
 * and so on to the origins. Paths that begin alike share their nodes, as in the trust rule.
 */
import type { EvidenceView } from '../api.ts'

/** Paths that are drawn; of more, the most trusted ones. */
export const DRAWN_PATHS = 40

export interface TreeNode {
  /** The way to it, as a key. */
  readonly key: string
  readonly peer: string
  readonly name: string | null
  /** Steps from this node. */
  readonly depth: number
  /** In rows; a node lies in the middle of what is behind it. */
  row: number
  /** Percent: what the node before it trusts it. */
  readonly trust: number
  /** Percent: the product of the trusts from this node to it. */
  readonly product: number
  /** What it claims itself, if it is an origin. */
  readonly claims: { readonly jail: string; readonly until: number }[]
  readonly children: TreeNode[]
}

export interface Tree {
  readonly root: TreeNode
  readonly nodes: readonly TreeNode[]
  readonly rows: number
  readonly depth: number
  /** Paths that were left out. */
  readonly hidden: number
}

/** `self`: this node's peer ID. */
export function pathTree(self: string, evidence: readonly EvidenceView[]): Tree {
  const root = newNode('', self, null, 0, 100, 100)
  const strongest = evidence.toSorted((a, b) => b.confidence - a.confidence).slice(0, DRAWN_PATHS)
  for (const { path, jail, until } of strongest) {
    let node = root
    for (const { peer, name, trust } of path) {
      const key = `${node.key}/${peer}`
      let next = node.children.find((child) => child.key === key)
      if (next === undefined) {
        next = newNode(key, peer, name, node.depth + 1, trust, (node.product * trust) / 100)
        node.children.push(next)
      }
      node = next
    }
    if (!node.claims.some((claim) => claim.jail === jail)) node.claims.push({ jail, until })
  }
  const nodes: TreeNode[] = []
  const rows = Math.max(1, place(root, 0, nodes))
  const depth = nodes.reduce((deepest, node) => Math.max(deepest, node.depth), 0)
  return { root, nodes, rows, depth, hidden: evidence.length - strongest.length }
}

function newNode(
  key: string,
  peer: string,
  name: string | null,
  depth: number,
  trust: number,
  product: number
): TreeNode {
  return { key, peer, name, depth, row: 0, trust, product, claims: [], children: [] }
}

/** Gives each node its row, those without children one after the other from `row` on; returns the next free row. */
function place(node: TreeNode, row: number, nodes: TreeNode[]): number {
  nodes.push(node)
  if (node.children.length === 0) {
    node.row = row
    return row + 1
  }
  let next = row
  for (const child of node.children) next = place(child, next, nodes)
  node.row = (node.children[0]!.row + node.children.at(-1)!.row) / 2
  return next
}
