/**
 * The rules of others, each as simple as its code is: no evidence travels, only opinions.
 *
 * `any` and `majority`: a node bans what one, or more than half, of its friends ban, and tells its friends once.
 *
 * `f2b-p2p`: fail2ban-p2p as its code has it (node.py). A message carries a trust level; the receiver multiplies it by
 * its trust in the sender, adds it to what it has about the address if neither the first message's timestamp nor the
 * originator is known, caps the sum at 100, and relays *the sum* as the message's new trust level. So trust grows along a
 * path, and every invented originator adds to it. Integer percent, rounded down; a message of more than ten hops does not
 * fit into its one `recv(1024)`.
 */
import type { Plan, Target } from './attacks.ts'
import { createInts, push } from './ints.ts'
import { degreeOf } from './graph.ts'
import type { Decisions } from './judging.ts'
import type { Network } from './network.ts'
import { createQueue } from './queue.ts'
import { createTraffic, ENVELOPE_BYTES, type Traffic } from './traffic.ts'

export type OtherRule = 'any' | 'majority' | 'f2b-p2p'

export interface Opinions {
  readonly decisions: Decisions
  readonly traffic: Traffic
}

/** By its format: 1024 bytes with ten hops of 60 characters each. */
const MESSAGE_BYTES = 424
const UID_BYTES = 60
const MOST_HOPS = 10

/** Of the statements about one target. Nothing is ever lifted here, and junk changes no opinion. `threshold` is in percent. */
export function opinions(network: Network, plan: Plan, target: Target, rule: OtherRule, threshold: number): Opinions {
  const tools = createTools(network, plan)
  const speak = rule === 'f2b-p2p' ? trustLevels(network, tools, threshold) : verdicts(network, tools, rule)
  for (const statement of plan.statements) {
    // A replayed message is as good as a new one, and a lift is no message at all.
    if (statement.target !== target || statement.kind === 'unban') continue
    tools.queue.runUntil(statement.atMs, speak.receive)
    speak.state(statement.speaker, statement.invented)
    tools.traffic.reports++
  }
  tools.queue.runUntil(Infinity, speak.receive)
  return {
    decisions: { bannedAtMs: tools.bannedAtMs, banned: tools.banned, changes: tools.changes() },
    traffic: tools.traffic
  }
}

type Tools = ReturnType<typeof createTools>

function createTools(network: Network, plan: Plan) {
  const queue = createQueue()
  const bannedAtMs = new Int32Array(network.nodes).fill(-1)
  const banned = new Uint8Array(network.nodes)
  const traffic = createTraffic()
  let changes = 0
  return {
    queue,
    bannedAtMs,
    banned,
    traffic,
    changes: () => changes,
    ban(node: number): void {
      if (banned[node] === 1) return
      banned[node] = 1
      bannedAtMs[node] = queue.now
      if (plan.honest[node] === 1) changes++
    },
    /** To all friends; a node that withholds sends only what it says itself. */
    send(node: number, message: number, own: boolean): void {
      if (!own && plan.withholds[node] === 1) return
      if (!own) traffic.relays++
      for (let slot = network.offsets[node]!; slot < network.offsets[node + 1]!; slot++) {
        const there = network.mirrors[slot]!
        queue.send(network.delayMs[there]!, there, message)
      }
    },
    received(bytes: number): void {
      traffic.messages++
      traffic.bytes += bytes
      traffic.signatureChecks++
    }
  }
}

function verdicts(network: Network, tools: Tools, rule: 'any' | 'majority') {
  const told = new Uint8Array(network.friends.length)
  const counts = new Int32Array(network.nodes)
  return {
    state(node: number): void {
      if (tools.banned[node] === 1) return
      tools.ban(node)
      tools.send(node, 0, true)
    },
    receive(slot: number): void {
      tools.received(ENVELOPE_BYTES)
      const node = network.owners[slot]!
      if (told[slot] === 1) return
      told[slot] = 1
      counts[node]!++
      const enough = rule === 'any' ? 1 : Math.floor(degreeOf(network, node) / 2) + 1
      if (counts[node]! < enough || tools.banned[node] === 1) return
      tools.ban(node)
      tools.send(node, 0, false)
    }
  }
}

function trustLevels(network: Network, tools: Tools, threshold: number) {
  const messages = {
    originator: createInts(),
    timestamp: createInts(),
    level: createInts(),
    relay: createInts(),
    from: createInts(),
    hops: createInts()
  }
  const levels = new Int32Array(network.nodes)
  const firstTimestamps = new Int32Array(network.nodes).fill(-1)
  /** By node: who has been counted. */
  const counted = Array.from({ length: network.nodes }, (): number[] => [])
  let timestamps = 0

  function create(originator: number, timestamp: number, level: number, relay: number, from: number): number {
    push(messages.originator, originator)
    push(messages.timestamp, timestamp)
    push(messages.level, level)
    push(messages.from, from)
    push(messages.hops, from === -1 ? 1 : messages.hops.data[from]! + 1)
    return push(messages.relay, relay)
  }

  function passed(message: number, node: number): boolean {
    for (let at = message; at !== -1; at = messages.from.data[at]!) if (messages.relay.data[at] === node) return true
    return false
  }

  function take(node: number, message: number, level: number, own: boolean): void {
    const originator = messages.originator.data[message]!
    const timestamp = messages.timestamp.data[message]!
    let value = level
    if (firstTimestamps[node] === -1) firstTimestamps[node] = timestamp
    else if (firstTimestamps[node] === timestamp || counted[node]!.includes(originator)) return
    else value = Math.min(100, levels[node]! + level)
    levels[node] = value
    counted[node]!.push(originator)
    if (value >= threshold) tools.ban(node)
    tools.send(node, own ? message : create(originator, timestamp, value, node, message), own)
  }

  return {
    state(node: number, invented: number | null): void {
      const originator = invented === null ? node : network.nodes + invented
      const first = create(originator, timestamps++, 100, originator, -1)
      if (invented === null) take(node, first, 100, true)
      else tools.send(node, create(originator, messages.timestamp.data[first]!, 100, node, first), true)
    },
    receive(slot: number, message: number): void {
      const hops = messages.hops.data[message]!
      tools.received(MESSAGE_BYTES + UID_BYTES * hops)
      const node = network.owners[slot]!
      if (hops > MOST_HOPS || passed(message, node)) return
      const trust = Math.floor(network.trust[slot]! / 10_000)
      take(node, message, Math.floor((trust * messages.level.data[message]!) / 100), false)
    }
  }
}
