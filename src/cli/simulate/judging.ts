/**
 * What every node concludes from what arrived. A verdict of a few votes over a few friends each can cost a millisecond,
 * too much for each of millions of arrivals; so most questions are answered by bounds that are core's own arithmetic on
 * less or on looser evidence, and only the rest by the whole score. And because more evidence never lowers a score, the
 * first moment of an acceptance is found by halving.
 */
import type { Path } from '../../core/evidence.ts'
import type { Policy } from '../../core/judge.ts'
import type { ProtectionReason } from '../../core/protection.ts'
import type { Ppm } from '../../core/report.ts'
import { confidence, noisyOr } from '../../core/trust.ts'
import { accepts } from './accepts.ts'
import { REPLAYED_BAN_SECONDS, type Plan, type Target } from './attacks.ts'
import type { Gossip } from './gossip.ts'
import type { Network } from './network.ts'
import { EPOCH_MS, type Travelling } from './reports.ts'

export interface Decisions {
  /** By node: ms at which it first banned the attacker, or some time by which it had banned the victim; -1 for never. */
  readonly bannedAtMs: Int32Array
  /** By node: 1 if it bans the target in the end. */
  readonly banned: Uint8Array
  /** Changes between banned and not banned, of all honest nodes. */
  readonly changes: number
}

interface Arrival {
  readonly timeMs: number
  readonly report: Travelling
  /** Below 0: the node says so itself. */
  readonly slot: number
  readonly path: Path | null
}

/** Under each of the policies. */
export function decide(
  network: Network,
  plan: Plan,
  heard: Gossip,
  target: Target,
  policies: readonly Policy[]
): Decisions[] {
  const { nodes } = network
  const found = policies.map(() => ({
    bannedAtMs: new Int32Array(nodes).fill(-1),
    banned: new Uint8Array(nodes),
    changes: 0
  }))
  // Where something is lifted or ends, less evidence may follow more.
  const growing = plan.statements.every(
    (statement) => statement.target !== target || (statement.kind === 'ban' && statement.replayOf === null)
  )
  const { offsets, order } = arrivalsByNode(network, heard, target)
  for (let node = 0; node < nodes; node++) {
    if (plan.honest[node] === 0 || offsets[node] === offsets[node + 1]) continue
    const protectedBy = target === 'victim' ? protectionOf(network, plan.member, node) : null
    if (protectedBy !== null) continue
    const arrivals: Arrival[] = []
    for (let i = offsets[node]!; i < offsets[node + 1]!; i++) arrivals.push(arrivalOf(order[i]!))
    // Groups travelled one after the other.
    arrivals.sort((a, b) => a.timeMs - b.timeMs)
    for (const [i, policy] of policies.entries()) follow(node, arrivals, policy, found[i]!)
  }
  return found

  /** How one node's opinion changes. */
  function follow(
    node: number,
    arrivals: readonly Arrival[],
    policy: Policy,
    into: { bannedAtMs: Int32Array; banned: Uint8Array; changes: number }
  ): void {
    const bans = (count: number, nowMs: number) => bansAfter(arrivals, count, policy, EPOCH_MS + nowMs)
    const lastMs = arrivals.at(-1)!.timeMs
    if (growing) {
      if (!bans(arrivals.length, lastMs)) return
      // When a victim was wronged is not asked.
      const last = arrivals.length - 1
      const first =
        target === 'victim' ? last : firstIndex(mayBanFrom(arrivals, policy), last, (i) => bans(i + 1, lastMs))
      into.bannedAtMs[node] = arrivals[first]!.timeMs
      into.banned[node] = 1
      into.changes++
      return
    }
    const endMs = Math.max(lastMs, plan.attack === 'replay' ? (REPLAYED_BAN_SECONDS + 120) * 1000 : 0)
    for (let i = 0; i <= arrivals.length; i++) {
      const timeMs = arrivals[i]?.timeMs ?? endMs
      const now = bans(Math.min(i + 1, arrivals.length), timeMs) ? 1 : 0
      if (now === into.banned[node]) continue
      if (now === 1 && into.bannedAtMs[node] === -1) into.bannedAtMs[node] = timeMs
      into.banned[node] = now
      into.changes++
    }
  }

  function arrivalOf(index: number): Arrival {
    const slot = heard.arrivals.slots.data[index]!
    const message = heard.arrivals.messages.data[index]!
    const path = slot < 0 ? null : pathOf(slot, message)
    return { timeMs: heard.arrivals.timesMs.data[index]!, report: heard.reportOf(message), slot, path }
  }

  function pathOf(slot: number, message: number): Path {
    return { friend: heard.peers[network.friends[slot]!]!, trust: network.trust[slot]!, hops: heard.hopsOf(message) }
  }
}

/** Indexes of the log by node, in its order. */
function arrivalsByNode({ nodes, owners }: Network, { arrivals, reportOf }: Gossip, target: Target) {
  const { length } = arrivals.messages
  const offsets = new Int32Array(nodes + 1)
  const matches = (i: number) => reportOf(arrivals.messages.data[i]!).target === target
  const nodeOf = (i: number) => {
    const slot = arrivals.slots.data[i]!
    return slot < 0 ? -1 - slot : owners[slot]!
  }
  for (let i = 0; i < length; i++) if (matches(i)) offsets[nodeOf(i) + 1]!++
  for (let node = 0; node < nodes; node++) offsets[node + 1]! += offsets[node]!
  const order = new Int32Array(offsets[nodes]!)
  const next = offsets.slice()
  for (let i = 0; i < length; i++) if (matches(i)) order[next[nodeOf(i)]!++] = i
  return { offsets, order }
}

function protectionOf({ offsets, friends }: Network, member: number, node: number): ProtectionReason | null {
  if (member === -1) return null
  if (node === member) return 'own-address'
  return friends.subarray(offsets[node], offsets[node + 1]).includes(member) ? 'friend-address' : null
}

/** The first arrival before which the rule can not accept: all votes by their best ways do not reach. */
function mayBanFrom(arrivals: readonly Arrival[], { rule, threshold }: Policy): number {
  const registers: number[] = []
  const weights: Ppm[] = []
  let sum = 0
  for (const [i, { report, path }] of arrivals.entries()) {
    if (path === null) return i
    const weight = confidence(path)
    let at = registers.indexOf(report.register)
    if (at === -1) {
      at = registers.push(report.register) - 1
      weights.push(0)
    }
    if (weight <= weights[at]!) continue
    sum += weight - weights[at]!
    weights[at] = weight
    // The noisy or is never above the sum.
    if (sum >= threshold && (rule === 'sum' || noisyOr(weights) >= threshold)) return i
  }
  return arrivals.length - 1
}

/**
 * The least index from `first` to `last` for which it is true; it is for the last, and stays true once it is. Looked for
 * nearby at first: the more has arrived, the dearer is the question.
 */
function firstIndex(first: number, last: number, isTrue: (index: number) => boolean): number {
  let low = first
  let high = first
  for (let step = 1; high < last && !isTrue(high); step *= 2) {
    low = high + 1
    high = Math.min(last, high + step)
  }
  while (low < high) {
    const middle = (low + high) >>> 1
    if (isTrue(middle)) high = middle
    else low = middle + 1
  }
  return low
}

/** Whether a node bans after its first `count` arrivals. `now` is Unix ms. */
function bansAfter(arrivals: readonly Arrival[], count: number, policy: Policy, now: number): boolean {
  // The newest report of each register, with its paths by slot. A node hears of few at a time.
  const newest: { report: Travelling; slots: number[]; ways: Path[] }[] = []
  let own: Travelling | null = null
  for (let i = 0; i < count; i++) {
    const { report, slot, path } = arrivals[i]!
    let at = newest.findIndex((other) => other.report.register === report.register)
    if (at === -1) at = newest.push({ report, slots: [], ways: [] }) - 1
    else if (newest[at]!.report !== report) newest[at] = { report, slots: [], ways: [] }
    const { slots, ways } = newest[at]!
    if (path === null) own = report
    else {
      const known = slots.indexOf(slot)
      ways[known === -1 ? slots.push(slot) - 1 : known] = path
    }
  }
  const lives = ({ kind, until }: Travelling) => kind === 'ban' && until * 1000 > now
  // Of itself a node needs no proof.
  if (own !== null && lives(own)) return true
  const votes = newest.filter(({ report, ways }) => ways.length > 0 && lives(report))
  return accepts(
    votes.map(({ report, ways }) => ({ origin: report.origin, paths: ways })),
    policy
  )
}
