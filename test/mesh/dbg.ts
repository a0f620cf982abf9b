import { build, identity, ready, bytes, view } from './nodes.ts'
import { connect } from 'node:net'
import { multiaddr } from '@multiformats/multiaddr'
import { setTimeout as delay } from 'node:timers/promises'
  const friend = await identity()
  const a = await build({
    friends: [{ id: friend.id, addresses: [] }],
    limits: { pendingHandshakesPerHost: 8, handshakeTimeoutMs: 500 }
  })
  await a.mesh.start()
  const port = Number(multiaddr(a.mesh.addresses()[0]!).getComponents()[1]!.value)
  const sockets: any[] = []
  let closed = 0
  const t = performance.now()
  for (let i = 0; i < 20; i++) {
    const socket = connect(port, '127.0.0.1').on('error', () => {})
    sockets.push(socket.on('close', () => console.log('closed', closed++, performance.now()-t)))
    socket.resume()
  }
  await delay(100)
  const b = await build({ friends: [{ id: a.id, addresses: a.mesh.addresses() }] }, friend)
  await b.mesh.start()
  for (let i = 0; i < 5; i++) {
    await delay(500)
    console.log(view(b, a.id), a.mesh.friends(), closed, b.mesh.libp2p.getDialQueue())
  }
process.exit()
