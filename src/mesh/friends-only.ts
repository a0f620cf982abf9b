/**
 * A registrar that shows friends only to the component that is given it (gossipsub, sync): streams that others open are
 * reset, and its topologies never hear of others. The DHT, identify and ping use libp2p's own registrar, so strangers can
 * ask for peers and get nothing else.
 *
 * libp2p's registrar middleware is not used: `connection.js` (libp2p 3.3) pushes the stream's handler into the stored
 * array of middleware at every inbound stream, so that each stream would run all handlers of those before it.
 */
import type { GossipSubComponents } from '@chainsafe/libp2p-gossipsub'
import type { Connection, PeerId as Libp2pPeerId, Topology } from '@libp2p/interface'
import type { PeerId } from '../core/report.ts'

export type Registrar = GossipSubComponents['registrar']

export interface FriendsOnly {
  readonly registrar: Registrar
  /**
   * Tells the topologies that the peer is gone. For a friend who was removed; the caller then closes the connections,
   * which ends its streams. A friend who is added while connected needs a new connection: its refused streams do not
   * come back by themselves.
   */
  forget(peer: Libp2pPeerId): void
}

/**
 * `isFriend` is asked at every stream and every connection, so it is always as good as the list behind it. What friends do
 * they may do over a relayed connection too: libp2p calls those limited, and lets nothing over them that does not say so.
 */
export function friendsOnly(
  registrar: Registrar,
  isFriend: (peer: PeerId) => boolean,
  refused: (protocol: string, connection: Connection) => void = () => {}
): FriendsOnly {
  const isOurs = (peer: Libp2pPeerId): boolean => isFriend(peer.toString() as PeerId)
  const topologies = new Map<string, Topology>()

  return {
    registrar: {
      getProtocols: () => registrar.getProtocols(),
      getHandler: (protocol) => registrar.getHandler(protocol),
      getTopologies: (protocol) => registrar.getTopologies(protocol),
      use: refuseMiddleware,
      unuse: refuseMiddleware,
      getMiddleware: (protocol) => registrar.getMiddleware(protocol),
      unhandle: (protocol, options) => registrar.unhandle(protocol, options),
      handle: (protocol, handler, options) =>
        registrar.handle(
          protocol,
          (stream, connection) => {
            if (isOurs(connection.remotePeer)) return handler(stream, connection)
            for (const name of [protocol].flat()) refused(name, connection)
            return stream.abort(new Error('not a friend'))
          },
          { ...options, runOnLimitedConnection: true }
        ),
      register: async (protocol, topology, options) => {
        const id = await registrar.register(protocol, showFriends(topology, isOurs), options)
        topologies.set(id, topology)
        return id
      },
      unregister: (id) => {
        topologies.delete(id)
        registrar.unregister(id)
      }
    },
    forget(peer) {
      for (const topology of topologies.values()) {
        topology.filter?.remove(peer)
        void topology.onDisconnect?.(peer)
      }
    }
  }
}

function showFriends(topology: Topology, isOurs: (peer: Libp2pPeerId) => boolean): Topology {
  return {
    notifyOnLimitedConnection: true,
    onConnect(peer: Libp2pPeerId, connection: Connection) {
      if (!isOurs(peer) || topology.filter?.has(peer) === true) return
      topology.filter?.add(peer)
      return topology.onConnect?.(peer, connection)
    },
    onDisconnect(peer: Libp2pPeerId) {
      if (!isOurs(peer)) return
      topology.filter?.remove(peer)
      return topology.onDisconnect?.(peer)
    }
  }
}

function refuseMiddleware(): never {
  throw new Error('registrar middleware is broken in libp2p 3.3')
}
