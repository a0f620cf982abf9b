/**
 * Room for friends: over the limit of connections the idlest strangers are cut off, so strangers may come (the DHT lives
 * on visits) but can't stay at anybody's expense. libp2p's own pruner is not used: it spares whoever keeps a stream open.
 */
import type { Connection, Libp2p } from '@libp2p/interface'
import type { PeerId } from '../core/report.ts'

/** Starts watching; ends with the node. */
export function limitStrangers(libp2p: Libp2p, maxConnections: number, isFriend: (peer: PeerId) => boolean): void {
  libp2p.addEventListener('connection:open', () => {
    const connections = libp2p.getConnections()
    const surplus = connections.length - maxConnections
    if (surplus <= 0) return
    const strangers = connections.filter(({ remotePeer }) => !isFriend(remotePeer.toString() as PeerId))
    for (const connection of strangers.sort(byUse).slice(0, surplus)) connection.abort(new Error('room needed'))
  })
}

/** Fewest streams first, then the oldest. */
function byUse(a: Connection, b: Connection): number {
  return a.streams.length - b.streams.length || a.timeline.open - b.timeline.open
}
