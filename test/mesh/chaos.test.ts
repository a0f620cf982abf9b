import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { until } from '../support/until.ts'
import { build, bytes, identity, start, type Node } from './nodes.ts'

const NODES = 4
const BLOWS = 200

test('whatever breaks, and whenever: afterwards all friends are ready and every message arrives', async (t) => {
  const ids = await Promise.all(Array.from({ length: NODES }, () => identity()))
  const entry = await start(t)
  const begin = async (who: number): Promise<Node> => {
    const others = ids.filter((_, i) => i !== who).map(({ id }) => ({ id, addresses: [] }))
    const node = await build({ bootstrap: entry.mesh.addresses(), friends: others }, ids[who])
    await node.mesh.start()
    return node
  }
  const nodes = await Promise.all(ids.map((_, i) => begin(i)))
  t.after(() => Promise.all(nodes.map(({ mesh }) => mesh.stop())))
  const allReady = (): boolean => nodes.every(({ mesh }) => mesh.friends().every((friend) => friend.ready))
  await until(allReady, 'all to be ready at first', 30_000)

  const random = seeded(20261121)
  const broken = new Error('broken by the test')
  for (let i = 0; i < BLOWS; i++) {
    const who = random(NODES)
    const { mesh } = nodes[who]!
    const connections = mesh.libp2p.getConnections()
    const connection = connections[random(connections.length)]
    const stream = connection?.streams[random(connection.streams.length)]
    void mesh.publish(bytes(`${i} ${'x'.repeat(random(20_000))}`))
    switch (random(8)) {
      case 0:
        connection?.abort(broken)
        break
      case 1:
        connection?.close().catch(() => {})
        break
      case 2:
      case 3:
        stream?.abort(broken)
        break
      case 4:
        stream?.close().catch(() => {})
        break
      case 5:
        connection?.newStream('/ipfs/ping/1.0.0').catch(() => {})
        connection?.abort(broken)
        break
      case 6:
        mesh.libp2p.dial(nodes[random(NODES)]!.mesh.libp2p.getMultiaddrs(), { force: true }).catch(() => {})
        break
      default:
        if (random(4) > 0) break
        await mesh.stop()
        nodes[who] = await begin(who)
    }
    await delay(random(15))
  }

  await until(allReady, 'all to be ready again', 30_000)
  const all = await Promise.all(nodes.map(({ mesh }, i) => mesh.publish(bytes(`last of ${i}`))))
  assert.deepEqual(
    all,
    nodes.map(() => NODES - 1)
  )
  const hasAll = ({ id, received }: Node): boolean =>
    nodes.every((other, i) => other.id === id || received.some(({ text }) => text === `last of ${i}`))
  await until(() => nodes.every(hasAll), 'the last messages')
})

/** mulberry32: a whole number below the limit. */
function seeded(seed: number): (limit: number) => number {
  let state = seed
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit)
  }
}
