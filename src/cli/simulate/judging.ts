/**
 * What every node concludes from what arrived, by `core`'s `judge`. A verdict of a few votes over a few friends each can
 * cost a millisecond, too much for each of millions of arrivals; so most questions are answered by bounds that are
 * core's own arithmetic on less or on looser evidence, and only the rest by the whole judgement. And because more
 * evidence never lowers a score, the first moment of an acceptance is found by halving.
 */
import type { Evidence, EvidencePath } from '../../core/evidence.ts'
import { judge, type Policy } from '../../core/judge.ts'
import { createRoot, grow, settle } from '../../core/place.ts'
import type { ProtectionReason } from '../../core/protection.ts'
import type { Ppm } from '../../core/report.ts'
import type { Subject } from '../../core/subject.ts'
import { confidence, noisyOr } from '../../core/trust.ts'
import { REPLAYED_BAN_SECONDS, type Plan, type Target } from './attacks.ts'
import { EPOCH_MS, type Gossip, type Travelling } from './gossip.ts'
import type { Network } from './network.ts'

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
  /** -1: the node says so itself. */
  readonly slot: number
  readonly path: EvidencePath | null
}

const EVERY_JAIL = ['*']

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
  const { offsets, order } = arrivalsByNode(heard, target, nodes)
  for (let node = 0; node < nodes; node++) {
    if (plan.honest[node] === 0 || offsets[node] === offsets[node + 1]) continue
    const protectedBy = target === 'victim' ? protectionOf(network, plan.member, node) : null
    if (protectedBy !== null) continue
    const arrivals = Array.from(order.subarray(offsets[node], offsets[node + 1]), (index) => arrivalOf(index))
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
      const first = target === 'victim' ? arrivals.length - 1 : firstIndex(arrivals.length, (i) => bans(i + 1, lastMs))
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
    const slot = heard.arrivals.slots[index]!
    const message = heard.arrivals.messages[index]!
    const path = slot === -1 ? null : pathOf(slot, message)
    return { timeMs: heard.arrivals.timesMs[index]!, report: heard.reportOf(message), slot, path }
  }

  function pathOf(slot: number, message: number): EvidencePath {
    const friend = heard.peers[network.friends[slot]!]!
    return { friend, trust: network.trust[slot]!, hops: heard.hopsOf(message), observe: false, jails: EVERY_JAIL }
  }
}

/** Indexes of the log by node, in the order of time. */
function arrivalsByNode({ arrivals, reportOf }: Gossip, target: Target, nodes: number) {
  const offsets = new Int32Array(nodes + 1)
  const matches = (i: number) => reportOf(arrivals.messages[i]!).target === target
  for (let i = 0; i < arrivals.length; i++) if (matches(i)) offsets[arrivals.nodes[i]! + 1]!++
  for (let node = 0; node < nodes; node++) offsets[node + 1]! += offsets[node]!
  const order = new Int32Array(offsets[nodes]!)
  const next = offsets.slice()
  for (let i = 0; i < arrivals.length; i++) if (matches(i)) order[next[arrivals.nodes[i]!]!++] = i
  return { offsets, order }
}

function protectionOf({ offsets, friends }: Network, member: number, node: number): ProtectionReason | null {
  if (member === -1) return null
  if (node === member) return 'own-address'
  return friends.subarray(offsets[node], offsets[node + 1]).includes(member) ? 'friend-address' : null
}

/** The least index for which it is true; it is for the last, and stays true once it is. */
function firstIndex(length: number, isTrue: (index: number) => boolean): number {
  let low = 0
  let high = length - 1
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
  const newest: { report: Travelling; slots: number[]; ways: EvidencePath[] }[] = []
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
  // Of itself a node needs no proof.
  if (own?.kind === 'ban' && own.until * 1000 > now) return true
  const evidence = newest
    .filter(({ report }) => report.kind === 'ban')
    .map(({ report: { origin, until, issuedAt }, ways }): Evidence => ({
      origin,
      until,
      issuedAt,
      jail: 'sshd',
      paths: ways
    }))
    .filter(({ paths }) => paths.length > 0)
  return accepts(evidence, policy, now)
}

const SUBJECT = '192.0.2.1' as Subject

/** `judge(...).accepted`, by the cheapest way that is certain. One claim per origin. */
export function accepts(evidence: readonly Evidence[], policy: Policy, now: number): boolean {
  if (evidence.length === 0) return false
  const bests = evidence.map(bestOf)
  const weights = bests.map((path) => confidence(path))
  const most = policy.rule === 'flow' ? noisyOr(weights) : weights.reduce((sum, weight) => sum + weight, 0)
  if (most < policy.threshold) return false
  const whole = (question: readonly Evidence[], by: Policy) =>
    judge({ subject: SUBJECT, evidence: question, policy: by, protectedBy: null, now }).accepted
  if (policy.rule === 'sum') return whole(evidence, policy)
  if (friendsOf(evidence) < policy.quorum) return false
  const single = evidence.map((item, i): Evidence => ({ ...item, paths: [bests[i]!] }))
  if (whole(single, { ...policy, quorum: 1 })) return true
  return everySeat(evidence) >= policy.threshold && whole(evidence, policy)
}

function bestOf({ paths }: Evidence): EvidencePath {
  let best = paths[0]!
  let most = -1
  for (const path of paths) {
    const weight = confidence(path)
    if (weight > most) [best, most] = [path, weight]
  }
  return best
}

function friendsOf(evidence: readonly Evidence[]): number {
  const carrying = evidence.flatMap(({ paths }) => paths.filter((path) => confidence(path) > 0))
  return new Set(carrying.map(({ friend }) => friend)).size
}

/** The score if every peer could stand whole at all of its places: no division reaches more. */
function everySeat(evidence: readonly Evidence[]): Ppm {
  const root = createRoot()
  for (const { origin, paths } of evidence) {
    for (const path of paths) {
      const weight = confidence(path)
      if (weight === 0) continue
      const place = grow(root, path, origin)
      place.values[0] = Math.max(place.values[0]!, weight)
    }
  }
  return settle(root)
}
