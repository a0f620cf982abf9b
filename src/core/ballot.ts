/** The votes of one question and the ways by which they came, as `flow.ts` counts and divides them. */
import type { Place, Step, Tree } from './place.ts'

/** A vote by one of its ways, which carries something. */
export interface Voice {
  readonly way: Step
}

export interface Ballot {
  readonly tree: Tree
  /** By origin, its best way. The heaviest first, like the others. */
  readonly votes: readonly Step[]
  /** By vote and place. Among them a vote is divided. */
  readonly seats: readonly Step[]
  /** The places next to self. */
  readonly friends: readonly Place[]
  /** How many peers are passed by several ways. */
  readonly things: number
  /** Whether a peer has several places. */
  readonly isDivided: boolean
}

/**
 * The heaviest way first. The last digits of a floating point sum, and what greed finds, depend on the order: it may not be
 * the input's.
 */
export function canonically(a: Voice, b: Voice): number {
  let one: Step | null = a.way
  let other: Step | null = b.way
  if (one.weight !== other.weight) return other.weight - one.weight
  while (one !== null && other !== null && one.peer === other.peer) {
    one = one.before
    other = other.before
  }
  if (one === null || other === null) return one === other ? 0 : one === null ? -1 : 1
  return one.peer.id < other.peer.id ? -1 : 1
}

/** Of ways that carry something, in canonical order. It holds until the next question about the same tree. */
export function collect(tree: Tree, voices: readonly Voice[]): Ballot {
  const asked = ++tree.asked
  const votes: Step[] = []
  const seats: Step[] = []
  const friends: Place[] = []
  let places = 0
  let peers = 0
  let things = 0
  for (const { way } of voices) {
    // Of two statements about the same way the better one holds, which is the first.
    const isSeat = way.place.asked !== asked || way.place.vote === 0
    for (let step: Step | null = way; step !== null; step = step.before) {
      const { place, peer } = step
      if (peer.asked !== asked) {
        peer.asked = asked
        peer.ways = 0
        peer.vote = -1
        peers++
      }
      if (isSeat && ++peer.ways === 2) peer.thing = things++
      if (place.asked !== asked) {
        place.asked = asked
        place.cap = step.weight
        place.vote = 0
        places++
        if (step.before === null) friends.push(place)
      } else if (step.weight > place.cap) place.cap = step.weight
    }
    if (!isSeat) continue
    seats.push(way)
    way.place.vote = way.weight
    if (way.peer.vote === -1) way.peer.vote = votes.push(way) - 1
  }
  return { tree, votes, seats, friends, things, isDivided: peers < places }
}
