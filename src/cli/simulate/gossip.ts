/**
 * How reports travel through a mesh of banmesh nodes: `daemon/ingest.ts` and `daemon/offers.ts` for very many nodes at
 * once, without bytes, keys and ledgers. All decisions are core's, as in the daemon: `admit`, `checkPath`, `checkReport`,
 * `supersedes`, `confidence`, `shouldRelay`. What each node believes does not change what it relays, so judging comes
 * afterwards (`judging.ts`) from the log of what arrived.
 *
 * A message is one number: the record of the relay that sent it, which points to the record that the relay had it from.
 */
import { checkPath, checkReport, supersedes } from '../../core/acceptance.ts'
import { admit, RESTED } from '../../core/rate.ts'
import { shouldRelay } from '../../core/relay.ts'
import { ONE, type Hop, type PeerId, type Ppm, type Report, type ReportId } from '../../core/report.ts'
import type { Subject } from '../../core/subject.ts'
import { confidence } from '../../core/trust.ts'
import { REPLAYED_BAN_SECONDS, type Plan, type Statement, type Target } from './attacks.ts'
import { createInts, push } from './ints.ts'
import type { Network } from './network.ts'
import { createQueue } from './queue.ts'

/** Unix ms at which a run begins. */
export const EPOCH_MS = Date.UTC(2026, 0, 1)
const BAN_SECONDS = 7 * 24 * 3600

/** Bytes of an envelope with one IPv4 claim of jail `sshd`, and of each hop: the test compares with `wire/`. */
export const ENVELOPE_BYTES = 136
export const HOP_BYTES = 40

export interface GossipOptions {
  readonly maxHops: number
  readonly relayFloor: Ppm
}

/** One statement as a report, and what each node knows about it. */
export interface Travelling extends Report {
  readonly id: ReportId
  readonly target: Target
  readonly kind: 'ban' | 'unban'
  readonly until: number
  readonly register: number
  /** By slot: the last message about it, -1 for none, and how much its owner believes it. */
  readonly messages: Int32Array
  readonly weights: Int32Array
  /** By node: whether it has the report, its best slot and what it was worth when it was last relayed; -1 for none. */
  readonly known: Uint8Array
  readonly best: Int32Array
  readonly relayed: Int32Array
}

export interface Traffic {
  reports: number
  messages: number
  bytes: number
  signatureChecks: number
  /** Messages that a rate limit refused. */
  refused: number
  /** By nodes other than the origin. */
  relays: number
  /** Those for a better path. */
  relaysAgain: number
  /** The most relays of one report by one node. */
  mostRelays: number
}

/** What arrived and counted, in the order of time: by which slot, and which message; -1 where a node speaks itself. */
export interface Arrivals {
  readonly length: number
  readonly timesMs: Int32Array
  readonly nodes: Int32Array
  readonly slots: Int32Array
  readonly messages: Int32Array
}

export interface Gossip {
  readonly reports: readonly Travelling[]
  readonly peers: readonly PeerId[]
  readonly arrivals: Arrivals
  readonly traffic: Traffic
  /** Which report a message is about. */
  reportOf(message: number): Travelling
  hopsOf(message: number): Hop[]
}

export function gossip(network: Network, plan: Plan, { maxHops, relayFloor }: GossipOptions): Gossip {
  const { nodes, offsets, friends, owners, mirrors, trust, delayMs } = network
  const queue = createQueue()
  const peers = Array.from({ length: nodes + countInvented(plan) }, (_, i) => `peer${i}` as PeerId)
  const reports: Travelling[] = []
  /** By statement: its report. */
  const stated: number[] = []
  /** By register (an origin's claims about one subject) and node: the newest report, -1 for none. */
  const registers = new Map<string, number>()
  const newest: Int32Array[] = []
  const records = { report: createInts(), from: createInts(), hops: createInts() }
  /** By record: what its relay stated. */
  const hops: (Hop | null)[] = []
  const log = { timesMs: createInts(), nodes: createInts(), slots: createInts(), messages: createInts() }
  const rates = plan.rate === null ? null : new Float64Array(friends.length).fill(RESTED)
  const relayCounts: Map<number, number> = new Map()
  const traffic: Traffic = {
    reports: 0,
    messages: 0,
    bytes: 0,
    signatureChecks: 0,
    refused: 0,
    relays: 0,
    relaysAgain: 0,
    mostRelays: 0
  }

  for (const [i, statement] of plan.statements.entries()) {
    queue.runUntil(statement.atMs, receive)
    state(statement, i)
  }
  queue.runUntil(Infinity, receive)
  return {
    reports,
    peers,
    arrivals: {
      length: log.timesMs.length,
      timesMs: log.timesMs.data,
      nodes: log.nodes.data,
      slots: log.slots.data,
      messages: log.messages.data
    },
    traffic,
    reportOf: (message) => reports[records.report.data[message]!]!,
    hopsOf
  }

  function record(report: number, peer: number, hopTrust: Ppm, from: number): number {
    hops.push(peer === -1 ? null : { peer: peers[peer]!, trust: hopTrust })
    push(records.from, from)
    push(records.hops, from === -1 ? 0 : records.hops.data[from]! + 1)
    return push(records.report, report)
  }

  /** In the order of travel. */
  function hopsOf(message: number): Hop[] {
    const way: Hop[] = []
    collectHops(message, records.hops.data[message]!, way)
    return way
  }

  function collectHops(message: number, count: number, into: Hop[]): void {
    if (count === 0) return
    collectHops(records.from.data[message]!, count - 1, into)
    into.push(hops[message]!)
  }

  function state(statement: Statement, number: number): void {
    const { speaker, invented, replayOf } = statement
    if (replayOf !== null) return replay(stated[replayOf]!, speaker)
    const report = createReport(statement)
    stated[number] = report
    const spoken = record(report, -1, 0, -1)
    if (invented !== null) {
      send(speaker, record(report, speaker, ONE, spoken))
      return
    }
    reports[report]!.known[speaker] = 1
    newest[reports[report]!.register]![speaker] = report
    note(speaker, -1, spoken)
    send(speaker, spoken)
  }

  function createReport({ speaker, target, kind, invented, atMs }: Statement): number {
    const origin = peers[invented === null ? speaker : nodes + invented]!
    const index = reports.length
    const subject = (
      target === 'attacker' ? '192.0.2.1' : target === 'victim' ? '192.0.2.2' : `10.0.0.${index}`
    ) as Subject
    const name = `${origin} ${subject}`
    if (!registers.has(name)) {
      registers.set(name, newest.length)
      newest.push(new Int32Array(nodes).fill(-1))
    }
    // Increasing for each origin; the clocks may be off by more.
    const issuedAt = EPOCH_MS + atMs + index
    const banSeconds = plan.attack === 'replay' && target === 'victim' ? REPLAYED_BAN_SECONDS : BAN_SECONDS
    const until = Math.floor(EPOCH_MS / 1000) + banSeconds
    reports.push({
      id: `report${index}` as ReportId,
      origin,
      issuedAt,
      claims: [{ kind, subject, until, jail: 'sshd', failures: 3 }],
      target,
      kind,
      until,
      register: registers.get(name)!,
      messages: new Int32Array(friends.length).fill(-1),
      weights: new Int32Array(friends.length),
      known: new Uint8Array(nodes),
      best: new Int32Array(nodes).fill(-1),
      relayed: new Int32Array(nodes).fill(-1)
    })
    traffic.reports++
    return index
  }

  /** By the path by which the speaker has it. */
  function replay(index: number, speaker: number): void {
    const best = reports[index]!.best[speaker]!
    if (best !== -1) send(speaker, record(index, speaker, ONE, reports[index]!.messages[best]!))
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
    const index = records.report.data[message]!
    const report = reports[index]!
    traffic.messages++
    traffic.bytes += ENVELOPE_BYTES + HOP_BYTES * records.hops.data[message]!
    if (rates !== null && !admitted(slot)) return void traffic.refused++
    const way = hopsOf(message)
    const isNew = report.known[node] === 0
    if (isNew) traffic.signatureChecks++
    if (
      checkPath({ origin: report.origin, hops: way, from: peers[friends[slot]!]!, self: peers[node]!, maxHops }) !==
      null
    )
      return
    const latest = newest[report.register]!
    if (isNew) {
      if (checkReport(report, EPOCH_MS + queue.now) !== null) return
      const before = latest[node]!
      if (before !== -1 && !supersedes(report, reports[before]!)) return
      report.known[node] = 1
      latest[node] = index
    } else if (latest[node] !== index) return
    report.messages[slot] = message
    report.weights[slot] = confidence({ friend: peers[friends[slot]!]!, trust: trust[slot]!, hops: way })
    note(node, slot, message)
    offer(node, slot, index)
  }

  function admitted(slot: number): boolean {
    const admission = admit(rates![slot]!, plan.rate!, EPOCH_MS + queue.now)
    rates![slot] = admission.state
    return admission.admitted
  }

  function note(node: number, slot: number, message: number): void {
    if (reports[records.report.data[message]!]!.target === 'junk') return
    push(log.timesMs, queue.now)
    push(log.nodes, node)
    push(log.slots, slot)
    push(log.messages, message)
  }

  /** The best path goes on, if it is worth a message to every friend. */
  function offer(node: number, slot: number, index: number): void {
    const report = reports[index]!
    chooseBest(report, node, slot)
    const best = report.best[node]!
    if (best === -1 || plan.withholds[node] === 1) return
    const relayed = report.relayed[node]!
    if (!isWorth(report, best, relayed === -1 ? null : relayed)) return
    report.relayed[node] = report.weights[best]!
    const from = report.messages[best]!
    const forged = node === plan.forger ? record(index, -1, 0, -1) : from
    send(node, record(index, node, forged === from ? trust[best]! : ONE, forged))
    traffic.relays++
    if (relayed !== -1) traffic.relaysAgain++
    const key = index * nodes + node
    if (relayed !== -1) relayCounts.set(key, (relayCounts.get(key) ?? 1) + 1)
    traffic.mostRelays = Math.max(traffic.mostRelays, relayCounts.get(key) ?? 1)
  }

  function chooseBest(report: Travelling, node: number, changed: number): void {
    const before = report.best[node]!
    if (before !== changed) {
      if (before !== -1 && report.weights[changed]! <= report.weights[before]!) return
      if (isWorth(report, changed, null)) report.best[node] = changed
      return
    }
    let best = -1
    for (let slot = offsets[node]!; slot < offsets[node + 1]!; slot++) {
      if (report.messages[slot] === -1 || (best !== -1 && report.weights[slot]! <= report.weights[best]!)) continue
      if (isWorth(report, slot, null)) best = slot
    }
    report.best[node] = best
  }

  function isWorth(report: Travelling, slot: number, relayedConfidence: Ppm | null): boolean {
    return shouldRelay({
      confidence: report.weights[slot]!,
      relayedConfidence,
      hops: records.hops.data[report.messages[slot]!]!,
      maxHops,
      relayFloor
    })
  }
}

function countInvented({ statements }: Plan): number {
  return statements.reduce((most, { invented }) => Math.max(most, (invented ?? -1) + 1), 0)
}
