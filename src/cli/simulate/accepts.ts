/** `judge(...).accepted` for live votes that no policy excludes, by the cheapest way that is certain. */
import type { Path, Vote } from '../../core/evidence.ts'
import { flowScore } from '../../core/flow.ts'
import type { Policy } from '../../core/judge.ts'
import { createRoot, grow, settle } from '../../core/place.ts'
import type { Ppm } from '../../core/report.ts'
import { sumScore } from '../../core/sum.ts'
import { confidence, noisyOr } from '../../core/trust.ts'

/** One vote per origin. */
export function accepts(votes: readonly Vote[], { rule, threshold, quorum }: Policy): boolean {
  if (votes.length === 0 || (quorum > 1 && friendsOf(votes) < quorum)) return false
  if (rule === 'sum') return sumScore(votes) >= threshold
  const bests = votes.map(bestOf)
  if (noisyOr(bests.map(confidence)) < threshold) return false
  if (flowScore(votes.map(({ origin }, i): Vote => ({ origin, paths: [bests[i]!] }))) >= threshold) return true
  return everySeat(votes) >= threshold && flowScore(votes) >= threshold
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

/** The score if every peer could stand whole at all of its places: no division reaches more. */
function everySeat(votes: readonly Vote[]): Ppm {
  const root = createRoot()
  for (const { origin, paths } of votes) {
    for (const path of paths) {
      const weight = confidence(path)
      if (weight === 0) continue
      const place = grow(root, path, origin)
      place.values[0] = Math.max(place.values[0]!, weight)
    }
  }
  return settle(root)
}
