/**
 * Messages in compact form. One is a number: the relay that sent it, what that relay states, and the message that the
 * relay had it from.
 */
import type { Hop, PeerId, Ppm } from '../../core/report.ts'
import { createInts, push } from './ints.ts'

/** Stands for none. */
export const NO_MESSAGE = 0

export interface Messages {
  /** What an origin says itself. */
  create(report: number): number
  /** `from`, passed on by a node that trusts so much whom it has it from. */
  relay(from: number, node: number, trust: Ppm): number
  reportOf(message: number): number
  hopCountOf(message: number): number
  /** In the order of travel. */
  hopsOf(message: number): readonly Hop[]
  /** Lists of hops are kept for the next time that they are asked for; now no longer. */
  forget(): void
}

export function createMessages(peers: readonly PeerId[]): Messages {
  const [reports, from, nodes, trusts, counts] = [createInts(), createInts(), createInts(), createInts(), createInts()]
  let ways: (readonly Hop[] | null)[] = []
  let firstWay = 0
  // Number 0 is none.
  add(-1, NO_MESSAGE, -1, 0, 0)

  function add(report: number, before: number, node: number, trust: Ppm, count: number): number {
    push(from, before)
    push(nodes, node)
    push(trusts, trust)
    push(counts, count)
    ways.push(null)
    return push(reports, report)
  }

  function collect(message: number): Hop[] {
    const way: Hop[] = []
    for (let at = message; counts.data[at]! > 0; at = from.data[at]!) {
      way.push({ peer: peers[nodes.data[at]!]!, trust: trusts.data[at]! })
    }
    return way.toReversed()
  }

  return {
    create: (report) => add(report, NO_MESSAGE, -1, 0, 0),
    relay: (before, node, trust) => add(reports.data[before]!, before, node, trust, counts.data[before]! + 1),
    reportOf: (message) => reports.data[message]!,
    hopCountOf: (message) => counts.data[message]!,
    hopsOf: (message) => (message < firstWay ? collect(message) : (ways[message - firstWay] ??= collect(message))),
    forget() {
      ways = []
      firstWay = counts.length
    }
  }
}
