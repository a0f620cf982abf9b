import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { PROTOCOL_LIMITS } from '../../src/core/limits.ts'
import { requires } from '../support/requirements.ts'
import { until } from '../support/until.ts'
import { pair, type Node } from './nodes.ts'

const MESSAGES = 30
/** What both sides say by themselves within a second or so: heartbeats, pings, what identify has to tell. */
const BESIDES = 20
/** Sixteen times the first window of a stream. */
const WINDOWS_BYTES = 4 * 1024 * 1024

test(
  'what is said to a friend is one packet, and is not answered with one',
  { skip: requires({ commands: ['ss'] }) },
  async (t) => {
    const [a, b] = await pair(t, { dht: false }, { dht: false })
    const ports = [a, b].map(portOf)
    const before = segmentsSent(ports)
    for (let i = 1; i <= MESSAGES; i++) {
      assert.equal(await a.mesh.publish(Buffer.from(`message ${i}`)), 1)
      await until(() => b.received.length === i, 'the message')
    }
    const sent = segmentsSent(ports) - before
    assert(sent >= MESSAGES && sent <= MESSAGES + BESIDES, `${sent} packets for ${MESSAGES} messages`)
  }
)

test('many times as much as a stream may hold unread gets through all the same, both ways', async (t) => {
  const [a, b] = await pair(t)
  const size = PROTOCOL_LIMITS.envelopeBytes
  const count = Math.ceil(WINDOWS_BYTES / size)
  for (let i = 0; i < count; i++) {
    const message = Buffer.alloc(size, i)
    await Promise.all([a, b].map(({ mesh }) => mesh.publish(message)))
    await until(() => a.received.length === i + 1 && b.received.length === i + 1, 'the message')
  }
})

function portOf({ mesh }: Node): string {
  return /\/tcp\/(\d+)/.exec(mesh.addresses()[0]!)![1]!
}

/** Packets with data in them, both ways, on the connections to these ports. */
function segmentsSent(ports: readonly string[]): number {
  const listed = execFileSync('ss', ['-tinH', ports.map((port) => `sport = :${port} or dport = :${port}`).join(' or ')])
  return [...listed.toString().matchAll(/data_segs_out:(\d+)/g)].reduce((sum, [, count]) => sum + Number(count), 0)
}
