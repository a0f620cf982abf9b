import { build, identity, bytes, view, type Node } from './nodes.ts'
import { until } from '../support/until.ts'
import { setTimeout as delay } from 'node:timers/promises'
process.on('uncaughtException', (e) => { console.log('UNCAUGHT', e.stack); process.exitCode = 1 })
process.on('unhandledRejection', (e) => { console.log('UNHANDLED', e); process.exitCode = 1 })
const N = 6
const ids = await Promise.all(Array.from({ length: N }, identity))
const entry = await build(); await entry.mesh.start()
const make = (i: number) => build({ bootstrap: entry.mesh.addresses(), friends: ids.filter((_, j) => j !== i).map(({ id }) => ({ id, addresses: [] })) }, ids[i])
const nodes: Node[] = []
for (let i = 0; i < N; i++) { nodes[i] = await make(i); await nodes[i]!.mesh.start() }
const allReady = () => nodes.every((n) => n.mesh.friends().every((f) => f.ready))
await until(allReady, 'start', 60000)
console.log('all ready')
const end = Date.now() + Number(process.argv[2] ?? 20) * 1000
const r = (n: number) => Math.floor(Math.random() * n)
let ops = 0
while (Date.now() < end) {
  const n = nodes[r(N)]!
  const cs = n.mesh.libp2p.getConnections()
  const c = cs[r(cs.length)]
  const what = r(20)
  if (what < 5) c?.abort(new Error('chaos'))
  else if (what < 8) c?.close().catch(() => {})
  else if (what < 14) { const s = c?.streams[r(c.streams.length)]; s?.abort(new Error('chaos')) }
  else if (what < 16) { const s = c?.streams[r(c.streams.length)]; s?.close().catch(() => {}) }
  else if (what < 18) { void c?.newStream('/ipfs/ping/1.0.0').catch(() => {}); c?.abort(new Error('chaos2')) }
  else if (what < 19) n.mesh.libp2p.dial(nodes[r(N)]!.mesh.libp2p.getMultiaddrs(), { force: true }).catch(() => {})
  else { const i = nodes.indexOf(n); await n.mesh.stop(); nodes[i] = await make(i); await nodes[i]!.mesh.start() }
  void n.mesh.publish(bytes('x'.repeat(r(50000)))).catch((e) => console.log('publish', e))
  ops++
  await delay(r(30))
}
console.log('ops', ops)
const t = Date.now()
await until(allReady, 'settle', 60000).catch((e) => { console.log(e); for (const n of nodes) console.log(n.id.slice(-4), n.mesh.friends().map((f) => [f.id.slice(-4), f.connected, f.ready].join())) })
console.log('settled in', Date.now() - t)
for (const [i, n] of nodes.entries()) { const k = await n.mesh.publish(bytes('final ' + i)); if (k !== N - 1) console.log('recipients', i, k) }
await until(() => nodes.every((n, i) => ids.every((_, j) => i === j || n.received.some(({ text }) => text === 'final ' + j))), 'finals').catch(console.log)
const conns = nodes.map((n) => Math.max(...ids.filter(({ id }) => id !== n.id).map(({ id }) => n.mesh.libp2p.getConnections().filter((c) => c.remotePeer.toString() === id).length)))
await delay(2000)
console.log('max connections per friend', conns)
await Promise.all([...nodes, entry].map((n) => n.mesh.stop()))
const tt = Date.now(); process.on('exit', () => console.log('exit after', Date.now() - tt, process.getActiveResourcesInfo()))
