/** `judge(...).accepted` for live votes that no policy excludes, by the cheapest way that is certain. */
import type { Path, Vote } from '../../core/evidence.ts'
import { flowReaches } from '../../core/flow.ts'
import type { Policy } from '../../core/judge.ts'
import { sumScore } from '../../core/sum.ts'
import { confidence, noisyOr } from '../../core/trust.ts'

/** One vote per origin. */
export function accepts(votes: readonly Vote[], { rule, threshold, quorum }: Policy): boolean {
  if (votes.length === 0 || (quorum > 1 && friendsOf(votes) < quorum)) return false
  if (rule === 'sum') return sumScore(votes) >= threshold
  const bests = votes.map(bestOf)
  const weights = bests.map(confidence)
  if (noisyOr(weights) < threshold) return false
  if (weights.some((weight) => weight >= threshold)) return true
  if (
    flowReaches(
      votes.map(({ origin }, i): Vote => ({ origin, paths: [bests[i]!] })),
      threshold
    )
  )
    return true
  return flowReaches(votes, threshold)
}

function bestOf({ paths }: Vote): Path {
  let best = paths[0]!
  let most = -1
  for (const path of paths) {
    const weight = confidence(path)
    if (weight > most) [best, most] = [path, weight]
  }
  return best
}

function friendsOf(votes: readonly Vote[]): number {
  const carrying = votes.flatMap(({ paths }) => paths.filter((path) => confidence(path) > 0))
  return new Set(carrying.map(({ friend }) => friend)).size
}
