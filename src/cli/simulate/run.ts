/** One run: one mesh, one attack, every rule; and what is measured of it. */
import type { Policy } from '../../core/judge.ts'
import { ONE } from '../../core/report.ts'
import { plan, type Attack, type Plan, type Scale } from './attacks.ts'
import { createFriendships, type Friendships, type Shape } from './friendships.ts'
import { gossip, type Traffic } from './gossip.ts'
import { distances } from './graph.ts'
import { decide, type Decisions } from './judging.ts'
import { createNetwork, type Network } from './network.ts'
import { opinions } from './others.ts'
import { createRandom } from './random.ts'

export const RULES = {
  flow: "banmesh's rule",
  sum: "fail2ban-p2p's, as its document has it",
  'f2b-p2p': "fail2ban-p2p's, as its code has it",
  any: 'what any friend bans',
  majority: 'what more than half of the friends ban'
} as const

export type Rule = keyof typeof RULES

export const RULE_NAMES = Object.keys(RULES) as Rule[]

/** A mesh and how its nodes are set. Shares are in percent. */
export interface Settings extends Scale {
  readonly shape: Shape | 'file'
  readonly nodes: number
  readonly friends: number
  readonly trust: number
  readonly trustSpread: number
  readonly threshold: number
  readonly quorum: number
  readonly maxHops: number
  readonly relayFloor: number
}

/** The last one is everything farther away. */
export const HOPS = 8
/** From the moment at which the attack is seen. */
export const TIMELINE_MS = Array.from({ length: 21 }, (_, i) => i * 50)

/** Shares are of the honest nodes; counts are per report and node. */
export interface Measures {
  /** Nodes that ban the real attacker. */
  readonly coverage: number
  /** Nodes that ban the victim in the end, and those that did at some time. */
  readonly wrongful: number
  readonly everWrongful: number
  /** Nodes that are tricked though no node under the attacker's control is their friend. */
  readonly wrongfulFar: number
  /** Of the victim's friends, where the victim is a member: how many ban it. */
  readonly cutOff: number | null
  readonly messages: number
  readonly bytes: number
  readonly signatureChecks: number
  readonly relays: number
  readonly relaysAgain: number
  readonly mostRelays: number
  /** Messages that a rate limit refused, of all. */
  readonly refused: number
  /** Changes in the firewall because of the victim's address, per honest node. */
  readonly changes: number
  /** Coverage by the distance to the nearest origin: 0, 1, 2... hops; null where there is no node. */
  readonly byHop: readonly (number | null)[]
  /** Coverage at each moment of `TIMELINE_MS`. */
  readonly byTime: readonly number[]
}

const PPM_PERCENT = ONE / 100

/** The mesh depends on the run alone, the attack's draw too; so rules and attacks are compared on the same. */
export function runOnce(
  settings: Settings,
  attack: Attack,
  rules: readonly Rule[],
  { seed, run, given }: { seed: number; run: number; given: Friendships | null }
): Map<Rule, Measures> {
  const friendships =
    given ?? createFriendships(settings.shape as Shape, settings.nodes, settings.friends, createRandom(seed, run, 1))
  const drawn = plan(attack, friendships, settings, createRandom(seed, run, 2))
  const network = createNetwork(
    drawn.graph,
    settings.trust * PPM_PERCENT,
    settings.trustSpread * PPM_PERCENT,
    createRandom(seed, run, 3)
  )
  const found = new Map<Rule, Measures>()
  const reporting = rules.filter((rule) => rule === 'flow' || rule === 'sum')
  if (reporting.length > 0) {
    const heard = gossip(network, drawn, { maxHops: settings.maxHops, relayFloor: settings.relayFloor * PPM_PERCENT })
    const policies = reporting.map((rule) => policyOf(rule, settings))
    const attacker = decide(network, drawn, heard, 'attacker', policies)
    const victim = decide(network, drawn, heard, 'victim', policies)
    for (const [i, rule] of reporting.entries()) {
      found.set(rule, measure(network, drawn, { attacker: attacker[i]!, victim: victim[i]! }, heard.traffic))
    }
  }
  for (const rule of rules) {
    if (rule === 'flow' || rule === 'sum') continue
    const { decisions, traffic } = opinions(network, drawn, rule, settings.threshold)
    found.set(rule, measure(network, drawn, decisions, traffic))
  }
  return found
}

function policyOf(rule: Policy['rule'], { threshold, quorum }: Settings): Policy {
  return {
    rule,
    threshold: threshold * PPM_PERCENT,
    quorum,
    maxBanTimeSeconds: 7 * 24 * 3600,
    jails: new Map()
  }
}

function measure(
  network: Network,
  drawn: Plan,
  { attacker, victim }: Readonly<Record<'attacker' | 'victim', Decisions>>,
  traffic: Traffic
): Measures {
  const honest = nodesWhere(network.nodes, (node) => drawn.honest[node] === 1)
  const share = (nodes: readonly number[], holds: (node: number) => boolean) =>
    nodes.length === 0 ? 0 : nodes.filter(holds).length / nodes.length
  const wronged = (node: number) => victim.banned[node] === 1
  const far = honest.filter((node) => !friendsOf(network, node).some((friend) => drawn.honest[friend] === 0))
  const hops = distances(network, drawn.origins)
  const seenMs = drawn.statements.find(({ target }) => target === 'attacker')?.atMs ?? 0
  const perReport = (count: number) => count / Math.max(1, traffic.reports) / network.nodes
  return {
    coverage: share(honest, (node) => attacker.banned[node] === 1),
    wrongful: share(honest, wronged),
    everWrongful: share(honest, (node) => victim.bannedAtMs[node] !== -1),
    wrongfulFar: share(far, wronged),
    cutOff: drawn.member === -1 ? null : share(honestFriends(network, drawn), wronged),
    messages: perReport(traffic.messages),
    bytes: perReport(traffic.bytes),
    signatureChecks: perReport(traffic.signatureChecks),
    relays: perReport(traffic.relays),
    relaysAgain: perReport(traffic.relaysAgain),
    mostRelays: traffic.mostRelays,
    refused: traffic.refused / Math.max(1, traffic.messages),
    changes: victim.changes / Math.max(1, honest.length),
    byHop: Array.from({ length: HOPS }, (_, hop) => {
      const there = honest.filter((node) => (hop === HOPS - 1 ? hops[node]! >= hop : hops[node] === hop))
      return there.length === 0 ? null : share(there, (node) => attacker.banned[node] === 1)
    }),
    byTime: TIMELINE_MS.map((timeMs) =>
      share(honest, (node) => attacker.bannedAtMs[node] !== -1 && attacker.bannedAtMs[node]! - seenMs <= timeMs)
    )
  }
}

function honestFriends(network: Network, { member, honest }: Plan): number[] {
  return friendsOf(network, member).filter((friend) => honest[friend] === 1)
}

function friendsOf({ offsets, friends }: Network, node: number): number[] {
  return Array.from(friends.subarray(offsets[node], offsets[node + 1]))
}

function nodesWhere(nodes: number, holds: (node: number) => boolean): number[] {
  return Array.from({ length: nodes }, (_, node) => node).filter(holds)
}
