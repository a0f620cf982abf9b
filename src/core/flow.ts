/**
 * `rule: flow`, banmesh's own: how sure a node is when it weighs every vote by the way it came.
 *
 * The votes hang in a tree of paths, self -> friend -> hop -> ... -> origin. P(n) is the product of the trusts from
 * self to n (by the best statements, should reports differ), and
 *
 *   value(n) = min( P(n), noisyOr( P(n) if n itself is an origin of a vote, value of each child ) )
 *   score    = noisyOr( value(friend) over friends )
 *
 * So whatever stands behind one place of the tree, however many identities it invents, weighs no more than P(n): the
 * score is bounded at every cut through the tree, and identities behind given links reach no more than one full vote on
 * each of these links. (A peer that two friends trust stands at the end of two links.) A vote that came by several
 * paths sits on exactly one of them, in the assignment that gives the highest score; so nobody lowers the score by
 * offering one more path to an honest origin.
 */
import { assignBest } from './assignment.ts'
import type { Vote } from './evidence.ts'
import { createRoot, grow, settle, type Place, type Seat } from './place.ts'
import type { Ppm } from './report.ts'
import { confidence, noisyOr } from './trust.ts'

/**
 * One entry per origin: two votes of one origin would count twice. A path on which some trust is zero carries nothing.
 */
export function flowScore(votes: readonly Vote[]): Ppm {
  if (votes.every(isDirect)) return noisyOr(votes.map(({ paths }) => paths[0]!.trust))
  const root = createRoot()
  const choices: (readonly Seat[])[] = []
  for (const vote of votes) {
    const places = takeAllSeats(vote, root)
    if (places.length > 1) choices.push(places.map((place) => ({ place, weight: place.values[0]! })))
  }
  settle(root)
  return choices.length === 0 ? root.value : assignBest(root, choices)
}

/** The most common case needs no tree: each friend speaks for itself only. */
function isDirect({ paths }: Vote): boolean {
  return paths.length === 1 && paths[0]!.hops.length === 0
}

/** Puts a vote at the end of each of its ways; of two statements about the same way the better one holds. */
function takeAllSeats({ origin, paths }: Vote, root: Place): Place[] {
  const places: Place[] = []
  for (const path of paths) {
    const weight = confidence(path)
    if (weight === 0) continue
    const place = grow(root, path, origin)
    if (place.values[0] === 0) places.push(place)
    place.values[0] = Math.max(place.values[0]!, weight)
  }
  return places
}
