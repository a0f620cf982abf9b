/**
 * Which of its seats each vote should take, so that the score is the highest: votes that came by several paths must
 * not count more than once, and should not get into each other's way below one cap.
 *
 * Exact while the assignments are few: branch and bound, which begins with every vote on all of its seats (no
 * assignment reaches more) and takes seats away. Beyond that, coordinate ascent: one vote after the other, the heaviest
 * first, takes the seat where it adds most, round after round. There, -ln(1-x) turns `noisyOr` into a sum and each cap
 * into a limit of that sum, so that a move costs no more than the length of its way. The sum is monotone and
 * submodular; hence, where no single move helps any more, it is at least half of the highest one. The logarithms,
 * rounded to integers so that adding and taking away leave no trace, only choose the seats: the score itself is
 * computed as always.
 */
import { settle, sit, type Place, type Seat } from './place.ts'
import { ONE, type Ppm } from './report.ts'

/**
 * Up to so many (ten origins by two friends each, or three by ten) the best assignment is certain; it takes about 1 ms.
 */
const EXACT_ASSIGNMENTS = 1024

/** Rounds over all votes after which the ascent is content; two or three are usual. */
const ASCENT_ROUNDS = 16

/** The logarithm's unit: small beside the weight of one ppm, and a million votes of certainty still add up exactly. */
const LOG_UNIT = 2 ** -24

/** Stands for -ln(0); the highest uncertain weight is 13.8. */
const CERTAINTY = 32

/**
 * The score of the best assignment. Each vote of `choices` has two or more seats and at first sits on all of them, with
 * the values settled. Leaves the tree in any state.
 */
export function assignBest(
  root: Place,
  choices: readonly (readonly Seat[])[],
  exactAssignments = EXACT_ASSIGNMENTS
): Ppm {
  const assignments = choices.reduce((product, seats) => Math.min(product * seats.length, exactAssignments + 1), 1)
  if (assignments > exactAssignments) return ascend(root, choices)
  const heaviestFirst = choices.map((seats) => seats.toSorted((a, b) => b.weight - a.weight))
  return branch(root, heaviestFirst, 0, 0)
}

/** The best score of any assignment of the votes from `index` on, or `best` if none is better. */
function branch(root: Place, choices: readonly (readonly Seat[])[], index: number, best: Ppm): Ppm {
  if (root.value <= best) return best
  const seats = choices[index]
  if (seats === undefined) return root.value
  let found = best
  for (const { place } of seats) sit(place, 0)
  for (const { place, weight } of seats) {
    sit(place, weight)
    found = branch(root, choices, index + 1, found)
    sit(place, 0)
  }
  for (const { place, weight } of seats) sit(place, weight)
  return found
}

/** A place in the logarithmic picture: what flows in, and how much of it may flow on. */
interface Vessel {
  readonly parent: Vessel | null
  readonly limit: number
  load: number
}

interface Option {
  readonly seat: Seat
  readonly vessel: Vessel
  readonly amount: number
}

function ascend(root: Place, choices: readonly (readonly Seat[])[]): Ppm {
  for (const seats of choices) for (const { place } of seats) place.values[0] = 0
  const vessels = new Map<Place, Vessel>()
  fill(root, null, vessels)
  const votes = inCanonicalOrder(choices).map((seats) =>
    seats.map((seat): Option => ({ seat, vessel: vessels.get(seat.place)!, amount: logWeight(seat.weight) }))
  )
  const chosen: Option[] = []
  for (let round = 0, moved = true; moved && round < ASCENT_ROUNDS; round++) {
    moved = false
    for (const [i, options] of votes.entries()) {
      const before = chosen[i]
      if (before !== undefined) pour(before.vessel, -before.amount)
      const after = bestOf(options, before ?? options[0]!)
      pour(after.vessel, after.amount)
      chosen[i] = after
      moved ||= after !== before
    }
  }
  for (const { seat } of chosen) seat.place.values[0] = seat.weight
  return settle(root)
}

/** The option that adds most, the present one if no other adds more. */
function bestOf(options: readonly Option[], present: Option): Option {
  let best = present
  let most = gainOf(present)
  for (const option of options) {
    const gain = gainOf(option)
    if (gain > most) [best, most] = [option, gain]
  }
  return best
}

function gainOf({ vessel, amount }: Option): number {
  const gain = pour(vessel, amount)
  pour(vessel, -amount)
  return gain
}

/** Adds to a vessel (or takes away) and passes on what its limit lets through; returns the change at the root. */
function pour(into: Vessel, amount: number): number {
  let change = amount
  for (let vessel: Vessel | null = into; vessel !== null && change !== 0; vessel = vessel.parent) {
    const before = Math.min(vessel.limit, vessel.load)
    vessel.load += change
    change = Math.min(vessel.limit, vessel.load) - before
  }
  return change
}

/** Builds the vessels of a place and of all below it, with the votes that have no choice in them. */
function fill(place: Place, parent: Vessel | null, vessels: Map<Place, Vessel>): Vessel {
  const limit = place.parent === null ? Infinity : logWeight(place.cap)
  const vessel: Vessel = { parent, limit, load: logWeight(place.values[0]!) }
  vessels.set(place, vessel)
  for (const child of place.children?.values() ?? []) {
    const below = fill(child, vessel, vessels)
    vessel.load += Math.min(below.limit, below.load)
  }
  return vessel
}

function logWeight(weight: Ppm): number {
  return Math.round((weight >= ONE ? CERTAINTY : -Math.log1p(-weight / ONE)) / LOG_UNIT)
}

/**
 * The ascent's end depends on where it starts and in which order it goes, so neither may depend on the input's order.
 */
function inCanonicalOrder(choices: readonly (readonly Seat[])[]): readonly (readonly Seat[])[] {
  const sorted = choices.map((seats) => {
    const keyed = seats.map((seat) => ({ seat, way: wayTo(seat.place) }))
    keyed.sort((a, b) => b.seat.weight - a.seat.weight || (a.way < b.way ? -1 : 1))
    return keyed.map(({ seat }) => seat)
  })
  return sorted.sort(([a], [b]) => b!.weight - a!.weight || (a!.place.peer! < b!.place.peer! ? -1 : 1))
}

/** The peers from a place back to self; begins with the origin of the vote. */
function wayTo(place: Place): string {
  const peers: (string | null)[] = []
  for (let at: Place | null = place; at !== null; at = at.parent) peers.push(at.peer)
  return peers.join(' ')
}
