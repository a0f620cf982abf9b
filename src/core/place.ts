/**
 * The tree of paths by which votes came, self -> friend -> hop -> ... -> origin, with the trust on the way to each
 * place and what the votes behind it amount to. `flow.ts` says what the numbers mean.
 */
import type { Path } from './evidence.ts'
import { ONE, type PeerId, type Ppm } from './report.ts'
import { multiply, noisyOr } from './trust.ts'

/** A peer at the end of one way that leads to it; the same peer at the end of another way is another place. */
export interface Place {
  /** Null for self, the root. */
  readonly peer: PeerId | null
  /** Of the peer, from 0; -1 for self. */
  readonly number: number
  readonly parent: Place | null
  /** The index in the parent's `values`. */
  readonly slot: number
  /** P(n), the product of the trusts on the way, by the best statements. */
  cap: Ppm
  /** First the vote that sits here, 0 if there is none, then the values of the children. */
  readonly values: Ppm[]
  /** What this place adds to its parent: value(n). */
  value: Ppm
  children: Map<PeerId, Place> | null
}

/** Self, and what grows on it. */
export interface Root extends Place {
  /** Those that have a place, and their numbers. */
  readonly peers: Map<PeerId, number>
  /** How many there are; more than peers, if one has several. */
  places: number
}

export function createRoot(): Root {
  const place = { peer: null, number: -1, parent: null, slot: 0, cap: ONE, values: [0], value: 0, children: null }
  return { ...place, peers: new Map(), places: 0 }
}

/** Finds or makes the places of a path; returns the last one, the origin's. */
export function grow(root: Root, { friend, trust, hops }: Path, origin: PeerId): Place {
  let product = trust
  let place = childOf(root, root, friend, product)
  for (let i = hops.length - 1; i >= 0; i--) {
    product = multiply(product, hops[i]!.trust)
    place = childOf(root, place, i > 0 ? hops[i - 1]!.peer : origin, product)
  }
  return place
}

function childOf(root: Root, parent: Place, peer: PeerId, product: Ppm): Place {
  parent.children ??= new Map()
  let child = parent.children.get(peer)
  if (child === undefined) {
    const slot = parent.values.push(0) - 1
    let number = root.peers.get(peer)
    if (number === undefined) root.peers.set(peer, (number = root.peers.size))
    child = { peer, number, parent, slot, cap: product, values: [0], value: 0, children: null }
    parent.children.set(peer, child)
    root.places++
  } else if (product > child.cap) {
    child.cap = product
  }
  return child
}

/** Computes all values below and at a place, from the leaves up. */
export function settle(place: Place): Ppm {
  if (place.children !== null) for (const child of place.children.values()) place.values[child.slot] = settle(child)
  return (place.value = valueOf(place))
}

/** From its own vote, which is never above its cap, and its children's values. */
function valueOf({ values, cap }: Place): Ppm {
  return values.length === 1 ? values[0]! : noisyOr(values, cap)
}
