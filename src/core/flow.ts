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
import { EXACT_CELLS, packExactly, packGreedily, type Use } from './packing.ts'
import { createRoot, grow, settle, type Place, type Root } from './place.ts'
import { ONE, type Ppm } from './report.ts'
import { confidence, noisyOr } from './trust.ts'

/** Stands for -ln(0); the highest uncertain weight is 13.8. */
const CERTAINTY = 32

/** In ppm: far more than the error of the floating point, far less than one. */
const ROUNDING = 1e-6

/**
 * Ways that are divided greedily; of more, the heaviest. What is beyond would hardly change the score, and an origin with
 * ten thousand friends of its own must not cost seconds.
 */
const GREEDY_SEATS = 1000

/** In ppm: more than what rounding down at every place of a tree may take away. */
const SETTLING = 1000

/** A vote on one of its ways. */
interface Seat {
  /** The number of the vote, from 0. */
  readonly vote: number
  readonly place: Place
}

/** What is to be divided: so many votes and so many peers, among seats. */
interface Ballot {
  readonly votes: number
  readonly peers: number
  readonly seats: readonly Seat[]
}

/**
 * One entry per origin: two votes of one origin would count twice. A path on which some trust is zero carries nothing.
 */
export function flowScore(votes: readonly Vote[]): Ppm {
  if (votes.every(isDirect)) return scoreOfDirect(votes)
  const root = createRoot()
  const ballot = takeSeats(votes, root)
  // In exact integers wherever nothing is to be divided.
  return ballot.peers < root.places ? divided(ballot) : settle(root)
}

/** Whether the score is at least `threshold`, which is often plain before anything is divided at best. */
export function flowReaches(votes: readonly Vote[], threshold: Ppm): boolean {
  if (votes.every(isDirect)) return scoreOfDirect(votes) >= threshold
  // A single way is all of a division already.
  if (votes.some(({ paths }) => paths.some((path) => confidence(path) >= threshold))) return true
  const root = createRoot()
  const ballot = takeSeats(votes, root)
  // As if each place were a peer of its own: no division brings more.
  const most = settle(root)
  if (ballot.peers === root.places) return most >= threshold
  if (most + SETTLING < threshold) return false
  // Only where the score is the best division, which greed never exceeds.
  if (ballot.seats.length * (ballot.votes + ballot.peers) <= EXACT_CELLS) {
    const seats = ballot.seats.toSorted((a, b) => weightAt(b.place) - weightAt(a.place))
    if (toScore(divideGreedily({ ...ballot, seats }), seats) >= threshold) return true
  }
  return divided(ballot) >= threshold
}

/** The most common case needs no tree: each friend speaks for itself only. */
function isDirect({ paths }: Vote): boolean {
  return paths.length === 1 && paths[0]!.hops.length === 0
}

function scoreOfDirect(votes: readonly Vote[]): Ppm {
  return noisyOr(votes.map(({ paths }) => paths[0]!.trust))
}

/** Puts each vote at the end of each of its ways; of two statements about the same way the better one holds. */
function takeSeats(votes: readonly Vote[], root: Root): Ballot {
  const seats: Seat[] = []
  for (const [vote, { origin, paths }] of votes.entries()) {
    for (const path of paths) {
      const weight = confidence(path)
      if (weight === 0) continue
      const place = grow(root, path, origin)
      if (weightAt(place) === 0) seats.push({ vote, place })
      place.values[0] = Math.max(weightAt(place), weight)
    }
  }
  return { votes: votes.length, peers: root.peers.size, seats }
}

/** Of the vote that sits there. */
function weightAt({ values }: Place): Ppm {
  return values[0]!
}

function divided(unordered: Ballot): Ppm {
  const ballot = { ...unordered, seats: inCanonicalOrder(unordered.seats) }
  return toScore(divideFew(ballot) ?? divideMany(ballot), ballot.seats)
}

function toScore(weight: number, seats: readonly Seat[]): Ppm {
  const score = Math.floor(-Math.expm1(-weight) * ONE + ROUNDING)
  return Math.min(score, seats.some(({ place }) => weightAt(place) === ONE) ? ONE : ONE - 1)
}

/** The last digits of a floating point sum, and what greed finds, depend on the order: it may not be the input's. */
function inCanonicalOrder(seats: readonly Seat[]): readonly Seat[] {
  const ways = new Map<Seat, string>()
  function wayOf(seat: Seat): string {
    let way = ways.get(seat)
    if (way === undefined) ways.set(seat, (way = wayTo(seat.place)))
    return way
  }
  return seats.toSorted((a, b) => weightAt(b.place) - weightAt(a.place) || (wayOf(a) < wayOf(b) ? -1 : 1))
}

/** The best division, or null if there are too many ways. */
function divideFew(ballot: Ballot): number | null {
  return ballot.seats.length > EXACT_CELLS ? null : packExactly(ballot.votes + ballot.peers, usesOf(ballot))
}

/** A good division of all ways, or of those without one friend. */
function divideMany(ballot: Ballot): number {
  const { seats } = ballot
  const friends = new Set(seats.map(({ place }) => friendOf(place)))
  let most = divideGreedily({ ...ballot, seats: seats.slice(0, GREEDY_SEATS) })
  for (const friend of friends) {
    if (most >= CERTAINTY) break
    const others: Seat[] = []
    for (let i = 0; i < seats.length && others.length < GREEDY_SEATS; i++) {
      if (friendOf(seats[i]!.place) !== friend) others.push(seats[i]!)
    }
    const without = { ...ballot, seats: others }
    most = Math.max(most, divideFew(without) ?? divideGreedily(without))
  }
  return most
}

function divideGreedily(ballot: Ballot): number {
  return packGreedily(ballot.votes + ballot.peers, usesOf(ballot))
}

/** The things to be divided are the peers, by their numbers, and then the votes. */
function usesOf({ peers, seats }: Ballot): readonly Use[] {
  return seats.map(({ vote, place: last }): Use => {
    const gain = logWeight(weightAt(last))
    const things = [peers + vote]
    const shares = [1]
    for (let place = last; place.parent !== null; place = place.parent) {
      const share = gain / logWeight(place.cap)
      // A way on which a peer occurs twice is refused long before; if it came here, the peer would pay twice.
      const before = things.indexOf(place.number)
      if (before === -1) {
        things.push(place.number)
        shares.push(share)
      } else shares[before]! += share
    }
    return { gain, things, shares }
  })
}

function friendOf(last: Place): Place {
  let place = last
  while (place.parent!.parent !== null) place = place.parent!
  return place
}

function logWeight(weight: Ppm): number {
  return weight >= ONE ? CERTAINTY : -Math.log1p(-weight / ONE)
}

/** The peers from the origin to the friend. */
function wayTo(last: Place): string {
  const peers: (string | null)[] = []
  for (let place = last; place.parent !== null; place = place.parent) peers.push(place.peer)
  return peers.join(' ')
}
