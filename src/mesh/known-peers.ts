/**
 * Keeps libp2p's peer store, and with it the datastore, from growing without bound: everybody who connects or is named
 * in a DHT answer is put there. Over the limit a tenth of the strangers that are not connected is forgotten.
 */
import type { Libp2p, PeerUpdate } from '@libp2p/interface'
import type { PeerId } from '../core/report.ts'

const KEPT_SHARE = 0.9

export interface KnownPeers {
  start(): Promise<void>
  /** Peers in the store, at most. */
  count(): number
}

export function createKnownPeers(libp2p: Libp2p, limit: number, isFriend: (peer: PeerId) => boolean): KnownPeers {
  let count = 0
  let sweeping = false

  /** The number of peers that it could forget. */
  async function sweep(): Promise<number> {
    const before = count
    const peers = await libp2p.peerStore.all()
    const goners = peers
      .filter(({ id }) => !isFriend(id.toString() as PeerId) && libp2p.getConnections(id).length === 0)
      .slice(0, Math.max(0, peers.length - Math.floor(limit * KEPT_SHARE)))
    for (const { id } of goners) await libp2p.peerStore.delete(id)
    // Those who came meanwhile count on top; libp2p itself forgets peers too, and says nothing.
    count += peers.length - goners.length - before
    return goners.length
  }

  async function sweepWhileOver(): Promise<void> {
    if (sweeping) return
    sweeping = true
    while (count > limit && (await sweep()) > 0);
    sweeping = false
  }

  return {
    async start() {
      count = (await libp2p.peerStore.all()).length
      libp2p.addEventListener('peer:update', ({ detail }: CustomEvent<PeerUpdate>) => {
        if (detail.previous === undefined) count++
        if (count > limit) sweepWhileOver().catch(() => (sweeping = false))
      })
    },
    count: () => count
  }
}
