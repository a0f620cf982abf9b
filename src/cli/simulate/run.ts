/** One run: one mesh, one attack, every rule; and what is measured of it. */
import type { Policy } from '../../core/judge.ts'
import { ONE } from '../../core/report.ts'
import { plan, type Attack, type Plan, type Scale, type Target } from './attacks.ts'
import { createFriendships, type Friendships, type Shape } from './friendships.ts'
import { gossip } from './gossip.ts'
import { distances } from './graph.ts'
import { decide, type Decisions } from './judging.ts'
import { createNetwork, type Network } from './network.ts'
import { opinions } from './others.ts'
import { createRandom } from './random.ts'
import { sumOf, type Traffic } from './traffic.ts'

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
export const TIMELINE_MS = Array.from({ length: 21 }, (_, i) => i * 25)

/** Shares are of the honest nodes; counts are per report and node. */
export interface Measures {
  /** Nodes that hear of a report about the attacker, whatever they make of it; null where no evidence travels. */
  readonly heard: number | null
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

/** What one rule makes of the statements about one address. */
interface Outcome {
  readonly decisions: Decisions
  readonly traffic: Traffic
  /** By node: how many reports about the attacker it hears of; null where no evidence travels. */
  readonly heard: Int32Array | null
}

export interface Run {
  readonly settings: Settings
  readonly attack: Attack
  readonly rules: readonly Rule[]
  readonly seed: number
  readonly run: number
}

/** Performs runs on these friendships, or on random ones. */
export function createRunner(given: Friendships | null): (run: Run) => Map<Rule, Measures> {
  // What is said about the attacker is the same in most attacks: kept for the next run, which is often of the same mesh.
  let kept: { readonly key: string; readonly outcomes: ReadonlyMap<Rule, Outcome> } | null = null

  /** The mesh depends on the run alone, the attack's draw too; so rules and attacks are compared on the same. */
  return ({ settings, attack, rules, seed, run }) => {
    const { shape, nodes, friends, trust, trustSpread } = settings
    const friendships = given ?? createFriendships(shape as Shape, nodes, friends, createRandom(seed, run, 1))
    const drawn = plan(attack, friendships, settings, createRandom(seed, run, 2))
    const random = createRandom(seed, run, 3)
    const network = createNetwork(drawn.graph, trust * PPM_PERCENT, trustSpread * PPM_PERCENT, random)
    const about = (target: Target): Plan => ({
      ...drawn,
      statements: drawn.statements.filter((statement) => statement.target === target)
    })
    const key = drawn.interferes ? null : JSON.stringify([settings, rules, seed, run])
    let attacker: ReadonlyMap<Rule, Outcome>
    if (key !== null && kept?.key === key) attacker = kept.outcomes
    else {
      // Junk and the truth share the rate limits. What is kept is about all nodes: others are honest in the next attack.
      const told = drawn.rate === null ? about('attacker') : drawn
      const honest = key === null ? drawn.honest : new Uint8Array(network.nodes).fill(1)
      attacker = outcomesOf(network, { ...told, honest }, 'attacker', rules, settings)
      if (key !== null) kept = { key, outcomes: attacker }
    }
    const victim = outcomesOf(network, about('victim'), 'victim', rules, settings)
    return new Map(rules.map((rule) => [rule, measure(network, drawn, attacker.get(rule)!, victim.get(rule)!)]))
  }
}

function outcomesOf(
  network: Network,
  drawn: Plan,
  target: 'attacker' | 'victim',
  rules: readonly Rule[],
  settings: Settings
): Map<Rule, Outcome> {
  const outcomes = new Map<Rule, Outcome>()
  const reporting = rules.filter((rule) => rule === 'flow' || rule === 'sum')
  if (reporting.length > 0) {
    const heard = gossip(network, drawn, { maxHops: settings.maxHops, relayFloor: settings.relayFloor * PPM_PERCENT })
    const policies = reporting.map((rule) => policyOf(rule, settings))
    const decisions = decide(network, drawn, heard, target, policies)
    for (const [i, rule] of reporting.entries()) {
      outcomes.set(rule, { decisions: decisions[i]!, traffic: heard.traffic, heard: heard.heard })
    }
  }
  for (const rule of rules) {
    if (rule === 'flow' || rule === 'sum') continue
    outcomes.set(rule, { ...opinions(network, drawn, target, rule, settings.threshold), heard: null })
  }
  return outcomes
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
  { decisions: attacker, heard, traffic: truth }: Outcome,
  { decisions: victim, traffic: lies }: Outcome
): Measures {
  const traffic = sumOf(truth, lies)
  const honest = nodesWhere(network.nodes, (node) => drawn.honest[node] === 1)
  const mean = (values: readonly number[]) => values.reduce((sum, one) => sum + one, 0) / Math.max(1, values.length)
  const share = (nodes: readonly number[], holds: (node: number) => boolean) =>
    nodes.filter(holds).length / Math.max(1, nodes.length)
  const wronged = (node: number) => victim.banned[node] === 1
  const far = honest.filter((node) => !friendsOf(network, node).some((friend) => drawn.honest[friend] === 0))
  const hops = distances(network, drawn.origins)
  const seenMs = drawn.statements.find(({ target }) => target === 'attacker')?.atMs ?? 0
  const perReport = (count: number) => count / Math.max(1, traffic.reports) / network.nodes
  return {
    heard: heard === null ? null : mean(honest.map((node) => heard[node]! / Math.max(1, drawn.origins.length))),
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
