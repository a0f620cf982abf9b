/**
 * Relays: friends through whom we can be reached, and through whom we reach others. Only friends relay, only for friends,
 * and only between friends (the gate sees to that). A relayed connection is encrypted end to end like any other; the relay
 * sees who talks to whom, and how much.
 */
import type { Libp2p } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr'
import type { PeerId } from '../core/report.ts'
import { isRelayed, openConnections } from './connections.ts'
import type { MeshLimits } from './limits.ts'

const HOP = '/libp2p/circuit/relay/0.2.0/hop'

export interface RelaysOptions {
  readonly libp2p: Libp2p
  readonly limits: MeshLimits
  friends(): readonly PeerId[]
  /** Whether gossip with this friend works: it has added us. */
  isReady(friend: PeerId): boolean
  needsRelay(): boolean
  /** Friends with whom we have a reservation. */
  reserved(relay: PeerId): boolean
  /** Makes a reservation with a connected friend. Rejects if it does not relay, or not for us. */
  reserve(relay: PeerId): Promise<void>
}

export interface Relays {
  start(): void
  stop(): void
  /** Addresses at which the friend may be reached through other friends, who are connected with us. */
  ways(friend: PeerId): Promise<Multiaddr[]>
}

export function createRelays(options: RelaysOptions): Relays {
  const { libp2p, limits } = options
  let timer: NodeJS.Timeout | undefined
  let stopped = false

  /** The address of the direct connection with a friend who relays; those first whom we have dialled. */
  async function candidates(except: PeerId | null): Promise<{ id: PeerId; address: Multiaddr }[]> {
    const found = []
    for (const id of options.friends()) {
      if (id === except || !options.isReady(id)) continue
      const peer = peerIdFromString(id)
      const connection = openConnections(libp2p.getConnections(peer)).at(-1)
      if (connection === undefined || isRelayed(connection.remoteAddr)) continue
      const { protocols } = await libp2p.peerStore.get(peer).catch(() => ({ protocols: [] as string[] }))
      if (protocols.includes(HOP))
        found.push({ id, address: connection.remoteAddr, dialled: connection.direction === 'outbound' })
    }
    return found.sort((a, b) => Number(b.dialled) - Number(a.dialled))
  }

  async function check(): Promise<void> {
    try {
      if (options.needsRelay()) {
        const all = await candidates(null)
        let held = all.filter(({ id }) => options.reserved(id)).length
        for (const { id } of all.filter((one) => !options.reserved(one.id))) {
          if (held >= limits.relaysUsed || stopped) break
          held += await options.reserve(id).then(
            () => 1,
            () => 0
          )
        }
      }
    } finally {
      if (!stopped) timer = setTimeout(() => void check(), limits.relayCheckMs)
    }
  }

  return {
    start() {
      timer = setTimeout(() => void check(), limits.relayCheckMs)
    },
    stop() {
      stopped = true
      clearTimeout(timer)
    },
    async ways(friend) {
      const relays = (await candidates(friend)).slice(0, limits.relaysTried)
      return relays.map(({ id, address }) =>
        multiaddr(`${address.toString().replace(`/p2p/${id}`, '')}/p2p/${id}/p2p-circuit`)
      )
    }
  }
}
