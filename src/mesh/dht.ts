/**
 * A DHT for looking peers up, and for nothing else: it would also keep records and provider entries for anybody who
 * sends some, without bound, so it is given a datastore that forgets. And it answers nobody without end.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { PeerId as Libp2pPeerId } from '@libp2p/interface'
import { kadDHT, passthroughMapper, type KadDHT, type KadDHTComponents } from '@libp2p/kad-dht'
import { BlackHoleDatastore } from 'datastore-core/black-hole'
import type { MeshLimits } from './limits.ts'

/** `admits`: whether a peer may ask once more. */
export function dhtService(protocol: string, limits: MeshLimits, admits: (peer: Libp2pPeerId) => boolean) {
  return (components: KadDHTComponents): KadDHT => {
    const dht = kadDHT({
      protocol,
      // Private and loopback addresses are as good as public ones: friends may share a LAN, labs share a host.
      peerInfoMapper: passthroughMapper,
      clientMode: false,
      initialQuerySelfInterval: 100,
      maxInboundStreams: limits.dhtStreamsPerConnection
    })({
      peerId: components.peerId,
      privateKey: components.privateKey,
      registrar: components.registrar,
      addressManager: components.addressManager,
      peerStore: components.peerStore,
      connectionManager: components.connectionManager,
      events: components.events,
      logger: components.logger,
      ping: components.ping,
      datastore: new BlackHoleDatastore(),
      ...(components.metrics !== undefined && { metrics: components.metrics })
    })
    boundQueries(dht, admits)
    return dht
  }
}

/** What kad-dht (16.4) answers a stream's queries with, one after the other, as many as are there: in one turn of the loop. */
interface Answering {
  readonly rpc: { handleMessage(peer: Libp2pPeerId, message: unknown): Promise<unknown> }
}

/** Answers so many, with a turn of the event loop between any two on one stream; what goes beyond has its stream reset. */
function boundQueries(dht: KadDHT, admits: (peer: Libp2pPeerId) => boolean): void {
  const { rpc } = dht as unknown as Answering
  const handle = rpc.handleMessage.bind(rpc)
  rpc.handleMessage = async (peer, message) => {
    if (!admits(peer)) throw new Error('too many queries a second')
    await nextTurn()
    return handle(peer, message)
  }
}
