/** A graph of friendships with what each end of a link trusts the other, and how long messages take. */
import { ONE, type Ppm } from '../../core/report.ts'
import type { Graph } from './graph.ts'
import type { Random } from './random.ts'

export interface Network extends Graph {
  /** By slot: what its owner trusts the friend. */
  readonly trust: Int32Array
  /** By slot: ms from the friend to its owner. The same for all messages of a link, so that they keep their order. */
  readonly delayMs: Int32Array
}

/** One way, with the receiver's work: from one data centre to the other side of the world, most of them near. */
const SHORTEST_MS = 5
const LONGEST_MS = 150

/** Each trust is drawn from `trust` give or take `spread`, evenly. */
export function createNetwork(graph: Graph, trust: Ppm, spread: Ppm, random: Random): Network {
  const slots = graph.friends.length
  const network = { ...graph, trust: new Int32Array(slots), delayMs: new Int32Array(slots) }
  for (let slot = 0; slot < slots; slot++) {
    const drawn = Math.round(trust + spread * (2 * random.next() - 1))
    network.trust[slot] = Math.max(0, Math.min(ONE, drawn))
    // Both directions of a link take the same time.
    const mirror = graph.mirrors[slot]!
    const share = random.next() ** 2
    network.delayMs[slot] =
      mirror < slot ? network.delayMs[mirror]! : SHORTEST_MS + Math.floor((LONGEST_MS - SHORTEST_MS) * share)
  }
  return network
}
