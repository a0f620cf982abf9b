/**
 * The tree of paths by which votes came, self -> friend -> hop -> ... -> origin: what all questions about one subject share.
 * A question is about some of the ways; it leaves its marks on their places and peers. `flow.ts` says what the numbers mean.
 */
import type { Path } from './evidence.ts'
import { ONE, type PeerId, type Ppm } from './report.ts'
import { multiply, noisyOr } from './trust.ts'

export interface Peer {
  readonly id: PeerId
  /** The newest place and how many there are. */
  place: Place | null
  places: number
  /** The last question that it is part of, and how many ways pass it there. */
  asked: number
  ways: number
  /** There, its number among the peers that several ways pass, and that of its vote; -1 if it has none. */
  thing: number
  vote: number
}

/** A peer at the end of one way that leads to it; the same peer at the end of another way is another place. */
export interface Place {
  readonly peer: Peer | null
  readonly parent: Place | null
  /** The next place of the same peer, and the next child of the same parent. */
  readonly otherPlace: Place | null
  readonly sibling: Place | null
  /** The newest child and how many there are. */
  child: Place | null
  children: number
  /** The last question that it is part of. */
  asked: number
  /** P(n), the product of the trusts on the way, by the best statements of the question. */
  cap: Ppm
  /** The cap in the picture of -ln(1-x), and of which cap that is: a logarithm is dear. */
  logCap: number
  loggedCap: Ppm
  /** The weight of the vote that sits here, 0 if there is none. */
  vote: Ppm
}

/** A place on a way, with the product of the trusts up to it as stated there. The last step of a way stands for the way. */
export interface Step {
  readonly place: Place
  readonly peer: Peer
  readonly weight: Ppm
  /** Null for the friend's. */
  readonly before: Step | null
}

export interface Tree {
  readonly root: Place
  readonly peers: Map<PeerId, Peer>
  /** The number of the last question. */
  asked: number
}

export function createTree(): Tree {
  return { root: createPlace(null, null), peers: new Map(), asked: 0 }
}

/** Finds or makes the places of a path; returns the last step, the origin's. */
export function grow(tree: Tree, { friend, trust, hops }: Path, origin: PeerId): Step {
  let step = stepTo(tree, null, friend, trust)
  for (let i = hops.length - 1; i >= 0; i--) {
    step = stepTo(tree, step, i > 0 ? hops[i - 1]!.peer : origin, multiply(step.weight, hops[i]!.trust))
  }
  return step
}

function stepTo({ root, peers }: Tree, before: Step | null, id: PeerId, weight: Ppm): Step {
  let peer = peers.get(id)
  if (peer === undefined) {
    peer = { id, place: null, places: 0, asked: 0, ways: 0, thing: -1, vote: -1 }
    peers.set(id, peer)
  }
  const parent = before === null ? root : before.place
  return { place: childOf(parent, peer) ?? createPlace(peer, parent), peer, weight, before }
}

/** Looks through the shorter list, for either can be made long. */
function childOf(parent: Place, peer: Peer): Place | null {
  let place
  if (peer.places < parent.children)
    for (place = peer.place; place !== null && place.parent !== parent;) place = place.otherPlace
  else for (place = parent.child; place !== null && place.peer !== peer;) place = place.sibling
  return place
}

function createPlace(peer: Peer | null, parent: Place | null): Place {
  const otherPlace = peer === null ? null : peer.place
  const sibling = parent === null ? null : parent.child
  const place = {
    peer,
    parent,
    otherPlace,
    sibling,
    child: null,
    children: 0,
    asked: 0,
    cap: ONE,
    logCap: NaN,
    loggedCap: -1,
    vote: 0
  }
  if (peer !== null) {
    peer.place = place
    peer.places++
  }
  if (parent !== null) {
    parent.child = place
    parent.children++
  }
  return place
}

/** The score of the tree, in the question that was asked last. */
export function settle({ root, asked }: Tree): Ppm {
  return valueOf(root, asked)
}

function valueOf(place: Place, asked: number): Ppm {
  if (place.child === null) return place.vote
  const values = place.vote === 0 ? [] : [place.vote]
  for (let child: Place | null = place.child; child !== null; child = child.sibling) {
    if (child.asked === asked) values.push(valueOf(child, asked))
  }
  return values.length === 1 ? values[0]! : noisyOr(values, place.cap)
}
