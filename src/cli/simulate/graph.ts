/**
 * Friendships in compact form. Every friendship has two slots, one at each end; the slots of node n are
 * `offsets[n]` to `offsets[n + 1]`. Whatever belongs to one direction of a link (trust, delay, the last message) lives in
 * an array by slot.
 */

/** Pairs of nodes, one after the other: a1 b1 a2 b2... */
export type Links = readonly number[] | Int32Array

export interface Graph {
  readonly nodes: number
  readonly offsets: Int32Array
  /** By slot: the friend. */
  readonly friends: Int32Array
  /** By slot: whose friend that is. */
  readonly owners: Int32Array
  /** By slot: the slot of the same link at the other end. */
  readonly mirrors: Int32Array
}

/** Links of a node with itself and repeated links are left out. */
export function graphOf(nodes: number, links: Links): Graph {
  const keys = uniqueLinks(nodes, links)
  const degrees = new Int32Array(nodes + 1)
  for (const key of keys) {
    degrees[Math.floor(key / nodes)]!++
    degrees[key % nodes]!++
  }
  const offsets = new Int32Array(nodes + 1)
  for (let node = 0; node < nodes; node++) offsets[node + 1] = offsets[node]! + degrees[node]!
  const free = offsets.slice()
  const slots = keys.length * 2
  const graph = {
    nodes,
    offsets,
    friends: new Int32Array(slots),
    owners: new Int32Array(slots),
    mirrors: new Int32Array(slots)
  }
  for (const key of keys) {
    const a = Math.floor(key / nodes)
    const b = key % nodes
    const atA = free[a]!++
    const atB = free[b]!++
    graph.friends[atA] = b
    graph.friends[atB] = a
    graph.owners[atA] = a
    graph.owners[atB] = b
    graph.mirrors[atA] = atB
    graph.mirrors[atB] = atA
  }
  return graph
}

function uniqueLinks(nodes: number, links: Links): Float64Array {
  const keys = new Float64Array(links.length / 2)
  let count = 0
  for (let i = 0; i < links.length; i += 2) {
    const a = links[i]!
    const b = links[i + 1]!
    if (a !== b) keys[count++] = Math.min(a, b) * nodes + Math.max(a, b)
  }
  const sorted = keys.subarray(0, count).sort()
  let unique = 0
  for (let i = 0; i < count; i++) if (i === 0 || sorted[i] !== sorted[i - 1]) sorted[unique++] = sorted[i]!
  return sorted.subarray(0, unique)
}

export function degreeOf({ offsets }: Graph, node: number): number {
  return offsets[node + 1]! - offsets[node]!
}

/** Links from the nearest of `sources` to each node; -1 where no way leads. */
export function distances({ nodes, offsets, friends }: Graph, sources: readonly number[]): Int32Array {
  const found = new Int32Array(nodes).fill(-1)
  const queue = Int32Array.from({ length: nodes })
  let end = 0
  for (const source of sources) {
    if (found[source] === 0) continue
    found[source] = 0
    queue[end++] = source
  }
  for (let i = 0; i < end; i++) {
    const node = queue[i]!
    for (let slot = offsets[node]!; slot < offsets[node + 1]!; slot++) {
      const friend = friends[slot]!
      if (found[friend] !== -1) continue
      found[friend] = found[node]! + 1
      queue[end++] = friend
    }
  }
  return found
}
