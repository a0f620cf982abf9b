import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { accepts } from '../../src/cli/simulate/accepts.ts'
import { ATTACK_NAMES, plan, type Plan, type Statement } from '../../src/cli/simulate/attacks.ts'
import { gossip } from '../../src/cli/simulate/gossip.ts'
import { createFriendships } from '../../src/cli/simulate/friendships.ts'
import { graphOf } from '../../src/cli/simulate/graph.ts'
import { decide } from '../../src/cli/simulate/judging.ts'
import { createNetwork, type Network } from '../../src/cli/simulate/network.ts'
import { opinions } from '../../src/cli/simulate/others.ts'
import { createRandom } from '../../src/cli/simulate/random.ts'
import { createRunner, RULE_NAMES, type Settings } from '../../src/cli/simulate/run.ts'
import { ENVELOPE_BYTES, HOP_BYTES } from '../../src/cli/simulate/traffic.ts'
import type { Evidence } from '../../src/core/evidence.ts'
import { judge, type Policy } from '../../src/core/judge.ts'
import type { Subject } from '../../src/core/subject.ts'
import { claimOf, createPeer, seal } from '../support/peers.ts'
import { percent, votesOf } from '../core/ways.ts'

const NOW = Date.UTC(2026, 0, 1)

const SETTINGS: Settings = {
  shape: 'small-world',
  nodes: 120,
  friends: 6,
  trust: 80,
  trustSpread: 0,
  threshold: 80,
  quorum: 1,
  maxHops: 6,
  relayFloor: 5,
  sightings: 4,
  colluders: 3,
  identities: 12
}

const policy = (change: Partial<Policy> = {}): Policy => ({
  rule: 'flow',
  threshold: percent(80),
  quorum: 1,
  maxBanTimeSeconds: 604_800,
  jails: new Map(),
  ...change
})

/** A mesh with these links, in which somebody says something; all trusts 80 %. */
function stage(
  nodes: number,
  links: readonly number[],
  statements: readonly Partial<Statement>[],
  change: Partial<Plan> = {}
) {
  const graph = graphOf(nodes, links)
  const drawn: Plan = {
    attack: 'none',
    graph,
    honest: new Uint8Array(nodes).fill(1),
    interferes: false,
    withholds: new Uint8Array(nodes),
    forger: -1,
    member: -1,
    origins: [],
    statements: statements.map((statement) => ({
      atMs: 0,
      speaker: 0,
      target: 'victim',
      kind: 'ban',
      invented: null,
      replayOf: null,
      ...statement
    })),
    rate: null,
    ...change
  }
  const network = createNetwork(graph, percent(80), 0, createRandom(1))
  const heard = gossip(network, drawn, { maxHops: 6, relayFloor: percent(5) })
  const verdicts = (by: Policy = policy()) => decide(network, drawn, heard, 'victim', [by])[0]!
  return { network, drawn, heard, verdicts }
}

const LINE = [0, 1, 1, 2, 2, 3]

test('the sizes of messages are those of real envelopes', () => {
  const [origin, relay] = [createPeer(), createPeer()]
  for (const hops of [0, 1, 6]) {
    const envelope = seal(
      origin,
      { issuedAt: NOW, claims: [claimOf('192.0.2.1')] },
      { hops: Array.from({ length: hops }, () => ({ peer: relay.id, trust: percent(80) })) }
    )
    assert.equal(ENVELOPE_BYTES + hops * HOP_BYTES, envelope.length)
  }
})

test("in a line of friends the origin's friend bans, its friend holds until a second one confirms, as in the demo", () => {
  const one = stage(4, LINE, [{ speaker: 0 }])
  assert.deepEqual([...one.verdicts().banned], [1, 1, 0, 0])
  // alice and dave are friends of bob, bob of carol.
  const two = stage(4, [0, 2, 1, 2, 2, 3], [{ speaker: 0 }, { speaker: 1, atMs: 500 }])
  const { banned, bannedAtMs } = two.verdicts()
  assert.deepEqual([...banned], [1, 1, 1, 1])
  assert.ok(bannedAtMs[3]! > 500, 'carol waits for dave')
})

test('every node relays once to each friend, each checks one signature, and nobody beyond the hop limit hears of it', () => {
  const { heard } = stage(4, LINE, [{ speaker: 0 }])
  assert.deepEqual(
    { ...heard.traffic, bytes: 0 },
    { reports: 1, messages: 6, bytes: 0, signatureChecks: 3, refused: 0, relays: 3, relaysAgain: 0, mostRelays: 1 }
  )
  assert.equal(heard.traffic.bytes, 6 * ENVELOPE_BYTES + (2 + 2 + 1 + 1 * 2 + 3 - 1) * HOP_BYTES)
  const long = stage(10, Array.from({ length: 9 }, (_, i) => [i, i + 1]).flat(), [{ speaker: 0 }])
  assert.equal(long.heard.traffic.signatureChecks, 7, 'six hops, and the last one only receives')
})

test('a better path is relayed again, a slightly better one is not', () => {
  // 0 - 1 - 2 - 4 and 0 - 3 - 4, the short one being slower.
  const { network, drawn } = stage(6, [0, 1, 1, 2, 2, 4, 0, 3, 3, 4, 4, 5], [{ speaker: 0 }])
  for (const [trust, expected] of [
    [percent(80), true],
    [percent(65), false]
  ] as const) {
    const slow = { ...network, trust: network.trust.slice(), delayMs: network.delayMs.map(() => 5) }
    for (let slot = 0; slot < slow.friends.length; slot++) {
      const ends = [slow.owners[slot]!, slow.friends[slot]!]
      if (!ends.includes(3)) continue
      slow.delayMs[slot] = 500
      if (ends.includes(4)) slow.trust[slot] = trust
    }
    const { traffic } = gossip(slow, drawn, { maxHops: 6, relayFloor: percent(5) })
    assert.equal(traffic.relaysAgain > 0, expected, `${traffic.relaysAgain}`)
  }
})

test('to the others a node that withholds is as if it were not there', () => {
  const friendships = createFriendships('small-world', 200, 8, createRandom(1))
  const drawn = plan('withhold', friendships, SETTINGS, createRandom(2))
  const network = createNetwork(drawn.graph, percent(80), 0, createRandom(3))
  const speaks = (node: number) => drawn.withholds[node] === 0
  const left: number[] = []
  for (let i = 0; i < friendships.links.length; i += 2) {
    const [a, b] = [friendships.links[i]!, friendships.links[i + 1]!]
    if (speaks(a) && speaks(b)) left.push(a, b)
  }
  const without = { ...drawn, graph: graphOf(200, left) }
  // The same delays, in which networks of other links would differ.
  const even = (graph: Network): Network => ({ ...graph, delayMs: graph.delayMs.map(() => 20) })
  const [silent, absent] = [
    [even(network), drawn] as const,
    [even(createNetwork(without.graph, percent(80), 0, createRandom(3))), without] as const
  ].map(([mesh, what]) => {
    const heard = gossip(mesh, what, { maxHops: 6, relayFloor: percent(5) })
    return [...decide(mesh, what, heard, 'attacker', [policy()])[0]!.bannedAtMs]
  })
  assert.deepEqual(silent, absent)
  assert.ok(silent!.filter((atMs) => atMs >= 0).length > 20)
})

test('a lift ends the ban of all, and a replay of the lifted or ended ban does not bring it back', () => {
  const story = [
    { speaker: 0 },
    { speaker: 0, kind: 'unban', atMs: 2000 },
    { speaker: 1, replayOf: 0, atMs: 4000 }
  ] as const
  const { verdicts } = stage(4, LINE, story)
  assert.deepEqual([...verdicts().banned], [0, 0, 0, 0])
  assert.ok(verdicts().bannedAtMs[1]! >= 0, 'it did ban meanwhile')
  const { network, drawn } = stage(4, LINE, story)
  assert.deepEqual([...opinions(network, drawn, 'victim', 'any', 80).decisions.banned], [1, 1, 1, 1])
})

test('a node that withholds passes nothing on, and what is protected is not banned', () => {
  const silent = stage(3, [0, 1, 1, 2], [{ speaker: 0 }], { withholds: Uint8Array.of(0, 1, 0) })
  assert.equal(silent.heard.traffic.messages, 1)
  const slandered = stage(4, [0, 1, 0, 2, 2, 3], [{ speaker: 0 }], { member: 3 })
  assert.deepEqual([...slandered.verdicts().banned], [1, 1, 0, 0], 'node 2 is a friend of 3, whose address it is')
})

test('a rate limit refuses what exceeds it', () => {
  const statements = Array.from({ length: 10 }, () => ({ speaker: 0, target: 'junk' as const }))
  const { heard } = stage(2, [0, 1], statements, { rate: { perSecond: 1, burst: 4 } })
  assert.equal(heard.traffic.signatureChecks, 4)
  assert.equal(heard.traffic.refused, 6)
})

test("fail2ban-p2p's code: the relayed value is the sum, so that trust grows along a path (PEERS.md, bug 13)", () => {
  // 0 and 1 are friends of 2, then a line.
  const { network, drawn } = stage(6, [0, 2, 1, 2, 2, 3, 3, 4, 4, 5], [{ speaker: 0 }, { speaker: 1, atMs: 500 }])
  const { decisions } = opinions(network, drawn, 'victim', 'f2b-p2p', 80)
  // The second message reaches 2 as 80, is summed up to 100 and relayed as that: 3 has 64 + 80, and so on without end.
  assert.deepEqual([...decisions.banned], [1, 1, 1, 1, 1, 1])
  const flow = stage(6, [0, 2, 1, 2, 2, 3, 3, 4, 4, 5], [{ speaker: 0 }, { speaker: 1, atMs: 500 }])
  assert.deepEqual([...flow.verdicts().banned], [1, 1, 1, 1, 0, 0])
})

test("fail2ban-p2p's code: twelve invented originators convince everybody (bug 4), by the flow rule only the host", () => {
  const identities = Array.from({ length: 12 }, (_, invented) => ({ speaker: 0, invented }))
  const links = [0, 1, 1, 2, 2, 3, 1, 3, 3, 4]
  const { network, drawn, verdicts } = stage(5, links, identities, { honest: Uint8Array.of(0, 1, 1, 1, 1) })
  assert.deepEqual([...opinions(network, drawn, 'victim', 'f2b-p2p', 80).decisions.banned].slice(1), [1, 1, 1, 1])
  assert.deepEqual([...verdicts().banned].slice(1), [1, 0, 0, 0])
  assert.deepEqual([...verdicts(policy({ rule: 'sum' })).banned].slice(1), [1, 1, 1, 1])
})

test('any friend and a majority of friends', () => {
  // A star with four friends, two of whom speak.
  const { network, drawn } = stage(5, [0, 1, 0, 2, 0, 3, 0, 4], [{ speaker: 1 }, { speaker: 2 }])
  assert.deepEqual([...opinions(network, drawn, 'victim', 'any', 80).decisions.banned], [1, 1, 1, 1, 1])
  assert.deepEqual([...opinions(network, drawn, 'victim', 'majority', 80).decisions.banned], [0, 1, 1, 0, 0])
  const three = stage(5, [0, 1, 0, 2, 0, 3, 0, 4], [{ speaker: 1 }, { speaker: 2 }, { speaker: 3 }])
  assert.deepEqual(
    [...opinions(three.network, three.drawn, 'victim', 'majority', 80).decisions.banned],
    [1, 1, 1, 1, 1]
  )
})

test('the short cuts of judging give what the whole judgement gives', () => {
  const thresholds = fc.constantFrom(percent(50), percent(64), percent(80), percent(93))
  fc.assert(
    fc.property(
      votesOf({ votes: 5, paths: 4 }),
      thresholds,
      fc.integer({ min: 1, max: 3 }),
      (votes, threshold, quorum) => {
        const evidence = votes.flatMap(({ origin, paths }): Evidence[] => {
          const byFriend = new Map(paths.map((path) => [path.friend, { ...path, observe: false, jails: ['*'] }]))
          return [{ origin, jail: 'sshd', until: NOW / 1000 + 60, issuedAt: NOW, paths: [...byFriend.values()] }]
        })
        for (const rule of ['flow', 'sum'] as const) {
          const by = policy({ rule, threshold, quorum })
          const whole = judge({ subject: '192.0.2.1' as Subject, evidence, policy: by, protectedBy: null, now: NOW })
          assert.equal(accepts(evidence, by), whole.accepted)
        }
      }
    ),
    { numRuns: 300 }
  )
})

for (const attack of ATTACK_NAMES) {
  test(`${attack}: the same seed gives the same measures, all of them shares and counts that make sense`, () => {
    const run = { settings: SETTINGS, attack, rules: RULE_NAMES, seed: 3, run: 0 }
    const found = createRunner(null)(run)
    // Also after another attack on the same mesh, of which something was kept.
    const runner = createRunner(null)
    runner({ ...run, attack: 'none' })
    assert.deepEqual(runner(run), found)
    for (const [rule, measures] of found) {
      for (const name of ['coverage', 'wrongful', 'everWrongful', 'wrongfulFar', 'refused'] as const) {
        assert.ok(measures[name] >= 0 && measures[name] <= 1, `${rule} ${name}`)
      }
      assert.ok(measures.wrongful <= measures.everWrongful)
      assert.ok(measures.coverage >= SETTINGS.sightings / SETTINGS.nodes - 0.02)
      assert.ok(measures.byTime.every((share, i) => i === 0 || share >= measures.byTime[i - 1]!))
      if (attack === 'none' || attack === 'withhold' || attack === 'flood') assert.equal(measures.everWrongful, 0)
    }
  })
}

test('every attack is on the same mesh with the same origins', () => {
  const friendships = { nodes: 50, links: Array.from({ length: 50 }, (_, i) => [i, (i + 1) % 50]).flat() }
  const origins = (attack: (typeof ATTACK_NAMES)[number]) =>
    plan(attack, friendships, SETTINGS, createRandom(5)).origins
  for (const attack of ['liar', 'colluders', 'slander', 'flood', 'replay', 'flip-flop'] as const) {
    assert.deepEqual(origins(attack), origins('none'))
  }
})
