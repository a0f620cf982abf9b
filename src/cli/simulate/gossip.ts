/**
 * How reports travel through a mesh of banmesh nodes: `daemon/ingest.ts` and `daemon/offers.ts` for very many nodes at
 * once, without bytes, keys and ledgers. All decisions are core's, as in the daemon: `admit`, `checkPath`, `checkReport`,
 * `supersedes`, `confidence`, `shouldRelay`. What each node believes does not change what it relays, so judging comes
 * afterwards (`judging.ts`) from the log of what arrived.
 *
 * Only what is about the same register, or shares a rate limit, meets on its way. So the statements travel in groups, one
 * after the other, and what is known about the reports of one group is forgotten before the next.
 */
import { checkPath, checkReport, supersedes } from '../../core/acceptance.ts'
import { admit, RESTED } from '../../core/rate.ts'
import { shouldRelay } from '../../core/relay.ts'
import { ONE, type Hop, type PeerId, type Ppm } from '../../core/report.ts'
import { confidence } from '../../core/trust.ts'
import type { Plan, Statement } from './attacks.ts'
import { createInts, push, type Ints } from './ints.ts'
import { createMessages, NO_MESSAGE } from './messages.ts'
import type { Network } from './network.ts'
import { createQueue, type Queue } from './queue.ts'
import { countInvented, EPOCH_MS, groupsOf, reportOf, type Travelling } from './reports.ts'
import { createTraffic, ENVELOPE_BYTES, HOP_BYTES, type Traffic } from './traffic.ts'

export interface GossipOptions {
  readonly maxHops: number
  readonly relayFloor: Ppm
}

/** What arrived and counted, in the order of time in each group. */
export interface Arrivals {
  readonly timesMs: Ints
  /** By which slot it came; `-1 - node` where a node speaks itself. */
  readonly slots: Ints
  readonly messages: Ints
}

export interface Gossip {
  readonly peers: readonly PeerId[]
  readonly arrivals: Arrivals
  readonly traffic: Traffic
  /** By node: how many of the reports about the attacker it has heard of. */
  readonly heard: Int32Array
  /** Which report a message is about. */
  reportOf(message: number): Travelling
  hopsOf(message: number): readonly Hop[]
}

/**
 * What each node knows about one report. Nothing is stored where nobody hears of it (0 is none everywhere), for pages
 * that nobody writes to take no memory.
 */
interface Knowledge {
  /** By slot: the last message, and how much its owner believes it. */
  readonly messages: Int32Array
  readonly weights: Int32Array
  /** By node: whether it has the report, its best slot and one more, what that was worth when relayed, how often it was. */
  readonly has: Uint8Array
  readonly best: Int32Array
  readonly relayed: Int32Array
  readonly relays: Uint8Array
}

export function gossip(network: Network, plan: Plan, { maxHops, relayFloor }: GossipOptions): Gossip {
  const { nodes, offsets, friends, owners, mirrors, trust, delayMs } = network
  const peers = Array.from({ length: nodes + countInvented(plan) }, (_, i) => `peer${i}` as PeerId)
  const messages = createMessages(peers)
  const reports: Travelling[] = []
  /** By statement: its report. */
  const stated: number[] = []
  const arrivals: Arrivals = { timesMs: createInts(), slots: createInts(), messages: createInts() }
  const rates = plan.rate === null ? null : new Float64Array(friends.length).fill(RESTED)
  const traffic = createTraffic()
  const heard = new Int32Array(nodes)

  // Of the group under way: what is known by report, and the newest report, and one more, by register and node.
  let known: Knowledge[] = []
  let newest: Int32Array[] = []
  let queue: Queue = createQueue()

  for (const group of groupsOf(plan)) {
    known = []
    newest = []
    queue = createQueue()
    for (const { statement, register, index } of group) {
      queue.runUntil(statement.atMs, receive)
      state(statement, register, index)
    }
    queue.runUntil(Infinity, receive)
    known.forEach(({ has }, report) => {
      if (reports[report]!.target === 'attacker') for (let node = 0; node < nodes; node++) heard[node]! += has[node]!
    })
    messages.forget()
  }
  return {
    peers,
    arrivals,
    traffic,
    heard,
    reportOf: (message) => reports[messages.reportOf(message)]!,
    hopsOf: messages.hopsOf
  }

  function state(statement: Statement, register: number, number: number): void {
    const { speaker, invented, replayOf } = statement
    if (replayOf !== null) return replay(stated[replayOf]!, speaker)
    const report = createReport(statement, register)
    stated[number] = report
    const spoken = messages.create(report)
    if (invented !== null) {
      send(speaker, messages.relay(spoken, speaker, ONE))
      return
    }
    known[report]!.has[speaker] = 1
    newest[register]![speaker] = report + 1
    note(-1 - speaker, spoken)
    send(speaker, spoken)
  }

  function createReport(statement: Statement, register: number): number {
    const index = reports.length
    reports.push(reportOf(statement, { index, register, peers, nodes, attack: plan.attack }))
    newest[register] ??= new Int32Array(nodes)
    known[index] = {
      messages: new Int32Array(friends.length),
      weights: new Int32Array(friends.length),
      has: new Uint8Array(nodes),
      best: new Int32Array(nodes),
      relayed: new Int32Array(nodes),
      relays: new Uint8Array(nodes)
    }
    traffic.reports++
    return index
  }

  /** By the path by which the speaker has it. */
  function replay(report: number, speaker: number): void {
    const best = known[report]!.best[speaker]!
    if (best !== 0) send(speaker, messages.relay(known[report]!.messages[best - 1]!, speaker, ONE))
  }

  /** As gossipsub does: to all friends, also to the one that it came from. */
  function send(node: number, message: number): void {
    for (let slot = offsets[node]!; slot < offsets[node + 1]!; slot++) {
      const there = mirrors[slot]!
      queue.send(delayMs[there]!, there, message)
    }
  }

  function receive(slot: number, message: number): void {
    const node = owners[slot]!
    const index = messages.reportOf(message)
    const report = reports[index]!
    const knows = known[index]!
    traffic.messages++
    traffic.bytes += ENVELOPE_BYTES + HOP_BYTES * messages.hopCountOf(message)
    if (rates !== null && !admitted(slot)) return void traffic.refused++
    const hops = messages.hopsOf(message)
    const isNew = knows.has[node] === 0
    if (isNew) traffic.signatureChecks++
    const friend = peers[friends[slot]!]!
    if (checkPath({ origin: report.origin, hops, from: friend, self: peers[node]!, maxHops }) !== null) return
    const latest = newest[report.register]!
    if (isNew) {
      if (checkReport(report, EPOCH_MS + queue.now) !== null) return
      const before = latest[node]!
      if (before !== 0 && !supersedes(report, reports[before - 1]!)) return
      knows.has[node] = 1
      latest[node] = index + 1
    } else if (latest[node] !== index + 1) return
    knows.messages[slot] = message
    knows.weights[slot] = confidence({ friend, trust: trust[slot]!, hops })
    note(slot, message)
    offer(node, slot, knows)
  }

  function admitted(slot: number): boolean {
    const admission = admit(rates![slot]!, plan.rate!, EPOCH_MS + queue.now)
    rates![slot] = admission.state
    return admission.admitted
  }

  function note(slot: number, message: number): void {
    if (reports[messages.reportOf(message)]!.target === 'junk') return
    push(arrivals.timesMs, queue.now)
    push(arrivals.slots, slot)
    push(arrivals.messages, message)
  }

  /** The best path goes on, if it is worth a message to every friend. */
  function offer(node: number, slot: number, knows: Knowledge): void {
    chooseBest(knows, node, slot)
    const best = knows.best[node]! - 1
    if (best === -1 || plan.withholds[node] === 1) return
    const relayed = knows.relays[node] === 0 ? null : knows.relayed[node]!
    if (!isWorth(knows, best, relayed)) return
    knows.relayed[node] = knows.weights[best]!
    const from = knows.messages[best]!
    if (node === plan.forger) send(node, messages.relay(messages.create(messages.reportOf(from)), node, ONE))
    else send(node, messages.relay(from, node, trust[best]!))
    traffic.relays++
    if (relayed !== null) traffic.relaysAgain++
    traffic.mostRelays = Math.max(traffic.mostRelays, ++knows.relays[node]!)
  }

  function chooseBest(knows: Knowledge, node: number, changed: number): void {
    const before = knows.best[node]! - 1
    if (before !== changed) {
      if (before !== -1 && knows.weights[changed]! <= knows.weights[before]!) return
      if (isWorth(knows, changed, null)) knows.best[node] = changed + 1
      return
    }
    let best = -1
    for (let slot = offsets[node]!; slot < offsets[node + 1]!; slot++) {
      if (knows.messages[slot] === NO_MESSAGE) continue
      if (best !== -1 && knows.weights[slot]! <= knows.weights[best]!) continue
      if (isWorth(knows, slot, null)) best = slot
    }
    knows.best[node] = best + 1
  }

  function isWorth({ weights, messages: last }: Knowledge, slot: number, relayedConfidence: Ppm | null): boolean {
    const hops = messages.hopCountOf(last[slot]!)
    return shouldRelay({ confidence: weights[slot]!, relayedConfidence, hops, maxHops, relayFloor })
  }
}
