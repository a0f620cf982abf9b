import { test } from 'node:test'
import { multiaddr } from '@multiformats/multiaddr'
import { build, identity, view } from '/work/main/test/mesh/nodes.ts'
import { setTimeout as delay } from 'node:timers/promises'
for (let k=0;k<12;k++) test('x', async (t) => {const lines: any[]=[]; const console={log:(...a: any[])=>lines.push(a.join(' '))};
    const [low, high] = [await identity(), await identity()]
    const a = await build({ friends: [{ id: high.id, addresses: [] }], limits: { surplusAfterMs: 50 } }, low)
    const b = await build({ friends: [{ id: low.id, addresses: [] }], limits: { surplusAfterMs: 50 } }, high)
    const t0 = 0; lines.push('a '+low.id.slice(-4)+' b '+high.id.slice(-4))
    for (const [n, { mesh }] of [a, b].entries()) {
      t.after(() => mesh.stop())
      await mesh.start()
      for (const e of ['connection:open', 'connection:close','peer:identify'] as const) mesh.libp2p.addEventListener(e, ({detail}) => console.log((performance.now()-t0)|0, 'ab'[n], e, (detail.connection??detail).direction, (detail.connection??detail).id))
    }
    const dial = (node: any, other: any) =>
      node.mesh.libp2p.dial(other.mesh.addresses().map(multiaddr), { force: true })
    await Promise.all([dial(a, b), dial(b, a)])
    for (let i = 0; i < 4; i++) {
    await delay(250)
    for (const n of [a,b]) { const f = n.mesh.friends()[0]!; console.log(f.connected, f.ready, n.told.map(x => x.ready).join(), n.mesh.libp2p.getConnections().map(c => c.status + c.streams.map(s => [s.protocol, s.direction, s.status, s.writeStatus, s.remoteWriteStatus].join(':')).join('  ')).join(' | ')) }
    }
 if (!view(a,b.id).ready || !view(b,a.id).ready) { globalThis.console.log(lines.join('\n')); throw new Error('x') }
})
