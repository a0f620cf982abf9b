/**
 * `rule: flow`, banmesh's own: how sure a node is when it weighs every vote by the ways it came.
 *
 * The votes hang in a tree of paths, self -> friend -> hop -> ... -> origin. P(n) is the product of the trusts from self
 * to a place n of that tree (by the best statements, should reports differ), and
 *
 *   value(n) = min( P(n), noisyOr( P(n) if n itself is an origin of a vote, value of each child ) )
 *   score    = noisyOr( value(friend) over friends )
 *
 * so that whatever stands behind a place weighs no more than P of that place. But a peer may have several places: it is
 * heard of by several ways. Then the peer counts once, divided among its places in the parts that give the highest score:
 * a place with the part c of its peer lets through c of what P(n) weighs. Weights add up in the picture of -ln(1-x), where
 * `noisyOr` is a sum; and a vote is divided among its seats like that as well.
 *
 * **Bound.** Let X be any set of peers, for instance those by which attackers are linked to honest nodes, in front of all
 * the identities that they invent. With P(x) the highest product of honest statements on a way to x that passes no other
 * of X, and s the score of the evidence without all ways that pass X:
 *
 *   score <= noisyOr( s, P(x) for each x of X )
 *
 * So attackers weigh no more than one full vote of each peer that honest nodes trust, however many identities they invent,
 * whatever they state, and however many ways lead to them.
 *
 * *Proof.* Take the division that gives the score. What does not pass X arrives also without X: on its ways nobody of X
 * has stated anything, so they and their P remain. It is at most -ln(1-s). Of what passes X, look at each place of an x
 * beyond which, on the way to self, there is no other of X. Honest nodes made the statements on that way, so its P is at
 * most P(x); it lets through at most -ln(1-P(x)) times the part of x that it has; the parts of x add up to no more than
 * one; hence all that passes X is at most the sum of -ln(1-P(x)) over X. Adding, and back from the logarithm: the bound.
 *
 * More evidence never lowers the score, because each division remains possible. So nobody lowers it by offering one more
 * path to an honest origin. (With too many ways for the best division, a greedy one is taken, for which the bound holds as
 * well; and because each friend's ways are also left out for trial, no friend can crowd out what the others say.)
 */
import type { Vote } from './evidence.ts'
import { canonically, collect, type Ballot, type Voice } from './ballot.ts'
import { createPacking, GREEDY_USES } from './packing.ts'
import { createTree, grow, settle, type Peer, type Place, type Step, type Tree } from './place.ts'
import { ONE, type Ppm } from './report.ts'

/** Stands for -ln(0); the highest uncertain weight is 13.8. */
const CERTAINTY = 32

/** In ppm: far more than the error of the floating point, far less than one. */
const ROUNDING = 1e-6

/** For one question after the other. */
const packing = createPacking()

/**
 * One entry per origin: two votes of one origin would count twice. A path on which some trust is zero carries nothing.
 */
export function flowScore(votes: readonly Vote[]): Ppm {
  const tree = createTree()
  return scoreOf(collect(tree, voicesOf(tree, votes)))
}

/** Whether the score is at least `threshold`. */
export function flowReaches(votes: readonly Vote[], threshold: Ppm): boolean {
  const tree = createTree()
  return reaches(tree, voicesOf(tree, votes), threshold)
}

function voicesOf(tree: Tree, votes: readonly Vote[]): readonly Voice[] {
  const voices = votes.flatMap(({ origin, paths }) => paths.map((path) => ({ way: grow(tree, path, origin) })))
  return voices.filter(({ way }) => way.weight > 0).sort(canonically)
}

/** Of voices that were collected last from their tree. */
export function scoreOf(ballot: Ballot): Ppm {
  // In exact integers wherever nothing is to be divided.
  return ballot.isDivided ? divided(ballot, Infinity) : settle(ballot.tree)
}

/** Whether the score of voices in canonical order is at least `threshold`: often plain before anything is divided at best. */
export function reaches(tree: Tree, voices: readonly Voice[], threshold: Ppm): boolean {
  // A single way is all of a division already.
  if (voices.length > 0 && voices[0]!.way.weight >= threshold) return true
  if (boundOf(tree, voices) < threshold) return false
  const ballot = collect(tree, voices)
  return (ballot.isDivided ? divided(ballot, threshold) : settle(tree)) >= threshold
}

/** The noisy or of the votes by their best ways, as if nothing limited them on these, and more than a rounding. */
function boundOf(tree: Tree, voices: readonly Voice[]): Ppm {
  const asked = ++tree.asked
  let missed = 1
  for (const { way } of voices) {
    if (way.peer.asked === asked) continue
    way.peer.asked = asked
    missed *= 1 - way.weight / ONE
  }
  return ONE * (1 - missed) + 1
}

/** The score by the best division, or by one with which it is `enough`. */
function divided(ballot: Ballot, enough: Ppm): Ppm {
  const highest = ballot.seats[0]!.weight === ONE ? ONE : ONE - 1
  const toScore = (weight: number) => Math.min(highest, Math.floor(-Math.expm1(-weight) * ONE + ROUNDING))
  pack(ballot, ballot.seats)
  if (enough < Infinity) {
    // Greed is often enough, and never exceeds the best division.
    const score = toScore(packing.greedily())
    if (score >= enough) return score
  }
  return toScore(packing.exactly() ?? divideMany(ballot))
}

/** A good division of all ways, which are packed, or of those without one friend. */
function divideMany(ballot: Ballot): number {
  const { seats, friends } = ballot
  let most = packing.greedily()
  const bound = friends.reduce((sum, place) => sum + logCap(place), 0)
  for (const place of friends) {
    if (most >= CERTAINTY) break
    // No division brings more than all that the friends may weigh.
    if (bound - logCap(place) <= most) continue
    const others: Step[] = []
    for (let i = 0; i < seats.length && others.length < GREEDY_USES; i++) {
      if (friendOf(seats[i]!) !== place.peer) others.push(seats[i]!)
    }
    pack(ballot, others)
    most = Math.max(most, packing.exactly() ?? packing.greedily())
  }
  return most
}

/** The things to be divided are the peers. */
function pack({ votes, things }: Ballot, seats: readonly Step[]): void {
  packing.clear(votes.length, things)
  for (const seat of seats) {
    const gain = seat.weight === seat.place.cap ? logCap(seat.place) : logWeight(seat.weight)
    packing.add(seat.peer.vote, gain)
    for (let step: Step | null = seat; step !== null; step = step.before) {
      // A peer on one way only limits it no more than the vote does.
      if (step.peer.ways > 1) packing.take(step.peer.thing, gain / logCap(step.place))
    }
  }
}

function logCap(place: Place): number {
  if (place.loggedCap !== place.cap) {
    place.loggedCap = place.cap
    place.logCap = logWeight(place.cap)
  }
  return place.logCap
}

function friendOf(way: Step): Peer {
  let step = way
  while (step.before !== null) step = step.before
  return step.peer
}

function logWeight(weight: Ppm): number {
  return weight >= ONE ? CERTAINTY : -Math.log1p(-weight / ONE)
}
