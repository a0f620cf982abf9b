/**
 * What happens in a run, whatever the rule: who says what, when, and who cheats. In every run some honest nodes see the
 * real attacker at the same moment, and report it; what is added to that is the attack. Attacks on honest nodes'
 * judgement are about another address, the victim's.
 */
import { degreeOf, graphOf, type Graph, type Links } from './graph.ts'
import type { Friendships } from './friendships.ts'
import type { Random } from './random.ts'

export const ATTACKS = {
  none: 'no attack',
  liar: 'one node lies',
  colluders: 'some nodes lie together',
  'sybil-1': 'invented identities behind one link to an honest node',
  'sybil-3': 'invented identities behind links to three honest nodes',
  slander: 'some nodes slander the address of a member',
  hub: 'the node with the most friends lies, invents identities, and forges short paths to honest origins',
  flood: 'one node sends more reports than the rate limits allow, just before the real ones',
  replay: 'a lifted ban, and an expired one, are sent again',
  'flip-flop': 'one node bans and lifts, again and again',
  withhold: 'three in ten nodes pass nothing on'
} as const

export type Attack = keyof typeof ATTACKS

export const ATTACK_NAMES = Object.keys(ATTACKS) as Attack[]

export type Target = 'attacker' | 'victim' | 'junk'

/** One node says something to its friends. */
export interface Statement {
  readonly atMs: number
  readonly speaker: number
  readonly target: Target
  readonly kind: 'ban' | 'unban'
  /** The invented identity that the speaker claims to have it from; null if it speaks for itself. */
  readonly invented: number | null
  /** Not a new report: the speaker sends once more what it has of the plan's statement with this index. */
  readonly replayOf: number | null
}

export interface Plan {
  readonly attack: Attack
  readonly graph: Graph
  /** By node: 1 if the operator is honest and the node is not under the attacker's control. */
  readonly honest: Uint8Array
  /** Whether also what the honest say about the attacker travels otherwise than without an attack. */
  readonly interferes: boolean
  /** By node: 1 if it passes nothing on. */
  readonly withholds: Uint8Array
  /** The node that says of everything that it has it from the origin, whom it trusts wholly; -1: none. */
  readonly forger: number
  /** The member whose address the victim's is: its friends never ban it; -1: nobody's. */
  readonly member: number
  readonly origins: readonly number[]
  readonly statements: readonly Statement[]
  /** What each friend may bring, for the flood: bounds as the daemon has them, but scaled to the size of the flood. */
  readonly rate: { readonly perSecond: number; readonly burst: number } | null
}

export interface Scale {
  /** Honest nodes that see the real attacker. */
  readonly sightings: number
  readonly colluders: number
  /** Invented by one attacker. */
  readonly identities: number
}

/** The flood: three times what a friend may bring at once. The daemon's default burst is 20,000. */
const FLOOD_REPORTS = 60
const FLOOD_RATE = { perSecond: 1, burst: 20 }
/** Before that, the flood has passed the whole mesh. */
const AFTER_FLOOD_MS = 3000
/** How long a ban lasts in the replay. */
export const REPLAYED_BAN_SECONDS = 60
const FLIPS = 10
const FLIP_MS = 2000
const WITHHOLDING = 0.3

/** The nodes that an attacker adds come after those of the mesh. */
export function plan(attack: Attack, { nodes, links }: Friendships, scale: Scale, random: Random): Plan {
  const extraLinks = attack === 'sybil-1' ? 1 : attack === 'sybil-3' ? 3 : 0
  const graph = graphOf(nodes + extraLinks, withStrangers({ nodes, links }, random.distinct(extraLinks, nodes)))
  const strangers = Array.from({ length: extraLinks }, (_, i) => nodes + i)
  // Everybody is chosen by the same draw in each attack, so that attacks differ by nothing but themselves.
  const chosen = random.distinct(scale.sightings + scale.colluders + 1, nodes)
  const colluders = chosen.slice(scale.sightings, scale.sightings + scale.colluders)
  const liar = attack === 'hub' ? hubOf(graph) : colluders[0]!
  const origins = chosen.slice(0, scale.sightings).filter((node) => attack !== 'hub' || node !== liar)
  const member = attack === 'slander' ? chosen.at(-1)! : -1
  const bad = new Set(badNodes(attack, liar, colluders, strangers))
  const withholds = new Uint8Array(graph.nodes)
  if (attack === 'withhold') {
    for (let node = 0; node < nodes; node++) withholds[node] = random.next() < WITHHOLDING ? 1 : 0
    for (const origin of origins) withholds[origin] = 0
  }
  const attackerSeenMs = attack === 'flood' ? AFTER_FLOOD_MS : 0
  const sightings = origins.map((speaker) => say({ speaker, target: 'attacker', atMs: attackerSeenMs }))
  return {
    attack,
    graph,
    honest: Uint8Array.from({ length: graph.nodes }, (_, node) => (bad.has(node) || withholds[node] === 1 ? 0 : 1)),
    interferes: ['sybil-1', 'sybil-3', 'hub', 'flood', 'withhold'].includes(attack),
    withholds,
    forger: attack === 'hub' ? liar : -1,
    member,
    origins,
    // The sort is stable: what is replayed stays the first.
    statements: [...lies(), ...sightings].sort((a, b) => a.atMs - b.atMs),
    rate: attack === 'flood' ? FLOOD_RATE : null
  }

  function lies(): Statement[] {
    const identities = Array.from({ length: scale.identities }, (_, invented) => invented)
    switch (attack) {
      case 'none':
      case 'withhold':
        return []
      case 'liar':
        return [say({ speaker: liar })]
      case 'colluders':
      case 'slander':
        return colluders.map((speaker) => say({ speaker }))
      case 'sybil-1':
      case 'sybil-3':
        return strangers.flatMap((speaker, i) => [
          say({ speaker }),
          ...identities.map((identity) => say({ speaker, invented: i * scale.identities + identity }))
        ])
      case 'hub':
        return [say({ speaker: liar }), ...identities.map((invented) => say({ speaker: liar, invented }))]
      case 'flood':
        return Array.from({ length: FLOOD_REPORTS }, () => say({ speaker: liar, target: 'junk' }))
      case 'flip-flop':
        return Array.from({ length: FLIPS }, (_, i) =>
          say({ speaker: liar, kind: i % 2 === 0 ? 'ban' : 'unban', atMs: i * FLIP_MS })
        )
      case 'replay': {
        // The liar's friend banned somebody by mistake, and lifted it; the liar kept the report.
        const friend = graph.friends[graph.offsets[liar]!]!
        const lifted = say({ speaker: friend, kind: 'unban', atMs: 5000 })
        const again = [6000, (REPLAYED_BAN_SECONDS + 60) * 1000]
        return [say({ speaker: friend }), lifted, ...again.map((atMs) => say({ speaker: liar, atMs, replayOf: 0 }))]
      }
    }
  }
}

function say(what: Pick<Statement, 'speaker'> & Partial<Statement>): Statement {
  return { atMs: 0, target: 'victim', kind: 'ban', invented: null, replayOf: null, ...what }
}

function badNodes(
  attack: Attack,
  liar: number,
  colluders: readonly number[],
  strangers: readonly number[]
): readonly number[] {
  if (attack === 'none' || attack === 'withhold') return []
  if (attack === 'colluders' || attack === 'slander') return colluders
  return strangers.length > 0 ? strangers : [liar]
}

function withStrangers({ nodes, links }: Friendships, hosts: readonly number[]): Links {
  if (hosts.length === 0) return links
  const more = new Int32Array(links.length + hosts.length * 2)
  more.set(links)
  more.set(
    hosts.flatMap((host, i) => [host, nodes + i]),
    links.length
  )
  return more
}

function hubOf(graph: Graph): number {
  let hub = 0
  for (let node = 1; node < graph.nodes; node++) if (degreeOf(graph, node) > degreeOf(graph, hub)) hub = node
  return hub
}
