/**
 * What can be had at most by dividing votes and things, each in any parts, among uses that take some of one vote and of
 * several things: a linear program of the packing kind.
 *
 * Exact while it is small: what can not run short is left out, and only the rest, often nothing, is solved. Beyond that
 * greedily, one use after the other: never too much, but perhaps less than there is.
 */
import { maximise } from './simplex.ts'

export interface Packing {
  /** Begins anew, with so many votes and things. Their numbers are from 0. */
  clear(votes: number, things: number): void
  /** A use, and what it brings if done once: all uses of a vote together are, at most. The one that brings most is first. */
  add(vote: number, gain: number): void
  /** The use that was added last takes so much of a thing, above 0, if done once. */
  take(thing: number, share: number): void
  /** Null if it is too much work. */
  exactly(): number | null
  /** One use after the other as far as it goes, up to GREEDY_USES. */
  greedily(): number
}

/** Up to so many cells (votes and things that several uses take x uses) the answer is exact. */
export const EXACT_CELLS = 20_000
export const GREEDY_USES = 1000
/** Of shares, which are about one. */
const TINY = 1e-12
const NONE = -1

/** Its arrays are kept from one problem to the next: making them costs more than most problems. */
export function createPacking(): Packing {
  let voteCount = 0
  let thingCount = 0
  let useCount = 0
  let takeCount = 0
  // By use. What one takes is from its `from` to that of the next.
  const voteOf: number[] = []
  const gains: number[] = []
  const from: number[] = [0]
  const nextOfVote: number[] = []
  // By what is taken.
  const things: number[] = []
  const shares: number[] = []
  // By vote.
  const firstUse: number[] = []
  const lastUse: number[] = []
  const voteLeft: number[] = []
  // By thing.
  const left: number[] = []
  const takers: number[] = []
  const loads: number[] = []
  const lastVote: number[] = []
  const mostOfVote: number[] = []
  const rowOf: number[] = []
  const cells: number[] = []

  function take(thing: number, share: number): void {
    // A way on which a peer occurs twice is refused long before; if it came here, the peer would pay twice.
    for (let i = from[useCount - 1]!; i < takeCount; i++) {
      if (things[i] !== thing) continue
      shares[i]! += share
      return
    }
    things[takeCount] = thing
    shares[takeCount] = share
    from[useCount] = ++takeCount
  }

  function exactly(): number | null {
    const votes = listVotes()
    if ((votes.length + wanted()) * useCount > EXACT_CELLS) return null
    weigh(votes)
    let settled = 0
    const open = votes.filter((vote) => {
      const best = firstUse[vote]!
      if (isLimited(best)) return true
      // Nothing is to be divided.
      settled += gains[best]!
      return false
    })
    if (open.length === 0) return settled
    const divided = divide(open)
    return divided === null ? null : settled + divided
  }

  /** Those that have a use, and by vote a list of these. */
  function listVotes(): number[] {
    const votes: number[] = []
    for (let vote = 0; vote < voteCount; vote++) firstUse[vote] = NONE
    for (let use = 0; use < useCount; use++) {
      const vote = voteOf[use]!
      if (firstUse[vote] === NONE) {
        votes.push(vote)
        firstUse[vote] = use
      } else nextOfVote[lastUse[vote]!] = use
      lastUse[vote] = use
      nextOfVote[use] = NONE
    }
    return votes
  }

  /** Things that several uses take. */
  function wanted(): number {
    let several = 0
    for (let thing = 0; thing < thingCount; thing++) takers[thing] = 0
    for (let i = 0; i < takeCount; i++) if (++takers[things[i]!]! === 2) several++
    return several
  }

  /** How much of each thing the votes can take at most, each by the use that takes most of it. */
  function weigh(votes: readonly number[]): void {
    for (let thing = 0; thing < thingCount; thing++) {
      loads[thing] = 0
      lastVote[thing] = NONE
    }
    for (const vote of votes) {
      for (let use = firstUse[vote]!; use !== NONE; use = nextOfVote[use]!) {
        for (let i = from[use]!; i < from[use + 1]!; i++) {
          const thing = things[i]!
          const before = lastVote[thing] === vote ? mostOfVote[thing]! : 0
          if (shares[i]! <= before) continue
          lastVote[thing] = vote
          mostOfVote[thing] = shares[i]!
          loads[thing]! += shares[i]! - before
        }
      }
    }
  }

  function isScarce(thing: number): boolean {
    return loads[thing]! > 1 + TINY
  }

  function isLimited(use: number): boolean {
    for (let i = from[use]!; i < from[use + 1]!; i++) if (isScarce(things[i]!)) return true
    return false
  }

  /**
   * Begins with every vote at its best use. A row for each scarce thing and each vote; a column for each use, but in place
   * of a vote's best one for what that leaves of the vote.
   */
  function divide(votes: readonly number[]): number | null {
    let rows = 0
    let columns = 0
    for (let thing = 0; thing < thingCount; thing++) rowOf[thing] = isScarce(thing) ? rows++ : NONE
    let voteRow = rows
    rows += votes.length
    for (const vote of votes) for (let use = firstUse[vote]!; use !== NONE; use = nextOfVote[use]!) columns++
    const width = columns + 1
    const goal = rows * width
    for (let i = 0; i < goal + width; i++) cells[i] = 0
    for (let row = 0; row < rows; row++) cells[row * width + columns] = 1
    let column = 0
    for (const vote of votes) {
      const best = firstUse[vote]!
      const gain = gains[best]!
      put(best, columns, -1)
      cells[goal + columns]! -= gain
      for (let use = best; use !== NONE; use = nextOfVote[use]!) {
        // What goes to another use, or to none, is taken from the best.
        put(best, column, -1)
        cells[voteRow * width + column] = 1
        cells[goal + column] = use === best ? -gain : gains[use]! - gain
        if (use !== best) put(use, column, 1)
        column++
      }
      voteRow++
    }
    return maximise(cells, rows, columns)

    function put(use: number, at: number, sign: number): void {
      for (let i = from[use]!; i < from[use + 1]!; i++) {
        const row = rowOf[things[i]!]!
        if (row !== NONE) cells[row * width + at]! += sign * shares[i]!
      }
    }
  }

  return {
    clear(votes, thingsInAll) {
      voteCount = votes
      thingCount = thingsInAll
      useCount = 0
      takeCount = 0
    },
    add(vote, gain) {
      voteOf[useCount] = vote
      gains[useCount] = gain
      from[++useCount] = takeCount
    },
    take,
    exactly,
    greedily() {
      for (let vote = 0; vote < voteCount; vote++) voteLeft[vote] = 1
      for (let thing = 0; thing < thingCount; thing++) left[thing] = 1
      let total = 0
      for (let use = 0; use < Math.min(useCount, GREEDY_USES); use++) {
        const vote = voteOf[use]!
        let part = voteLeft[vote]!
        for (let i = from[use]!; i < from[use + 1]!; i++) part = Math.min(part, left[things[i]!]! / shares[i]!)
        if (part <= TINY) continue
        voteLeft[vote]! -= part
        for (let i = from[use]!; i < from[use + 1]!; i++) left[things[i]!]! -= part * shares[i]!
        total += part * gains[use]!
      }
      return total
    }
  }
}
