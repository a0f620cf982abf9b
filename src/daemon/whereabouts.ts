/**
 * The addresses of friends that are never banned: those at which we have been connected with them, now or before. What a
 * friend only says about its addresses does not count, or it could name an attacker's and keep it from being banned here.
 */
import { Key } from 'interface-datastore'
import type { Cidr } from '../core/cidr.ts'
import { parseCidr } from '../core/cidr.ts'
import type { PeerId } from '../core/report.ts'
import { addressesIn } from './addresses.ts'

export interface Met {
  readonly id: PeerId
  readonly connected: boolean
  /** Multiaddrs of its connections, if it is connected. */
  readonly addresses: readonly string[]
}

export interface Whereabouts {
  /** Of all these friends; remembers what is new. */
  addresses(friends: readonly Met[]): Cidr[]
}

interface Store {
  get(key: Key): Uint8Array
  put(key: Key, value: Uint8Array): unknown
}

/** Addresses of one friend, the newest first: IPv4 and IPv6, and one of each from before it moved. */
export const WHEREABOUTS = 4

export function createWhereabouts(store: Store): Whereabouts {
  const known = new Map<PeerId, readonly Cidr[]>()

  function load(id: PeerId): readonly Cidr[] {
    try {
      const stored: unknown = JSON.parse(new TextDecoder().decode(store.get(keyOf(id))))
      if (!Array.isArray(stored)) return []
      return stored.flatMap((text) => (typeof text === 'string' && parseCidr(text)) || []).slice(0, WHEREABOUTS)
    } catch {
      return []
    }
  }

  function of({ id, connected, addresses }: Met): readonly Cidr[] {
    const before = known.get(id) ?? load(id)
    // An address behind a relay is the relay's.
    const here = connected ? addressesIn(addresses.filter((address) => !address.includes('/p2p-circuit'))) : []
    const now = [...new Set([...here, ...before])].slice(0, WHEREABOUTS)
    known.set(id, now)
    if (here.some((address) => !before.includes(address))) {
      try {
        store.put(keyOf(id), new TextEncoder().encode(JSON.stringify(now)))
      } catch {
        // A full disk: known until the next start.
      }
    }
    return now
  }

  return {
    addresses(friends) {
      for (const id of known.keys()) if (!friends.some((friend) => friend.id === id)) known.delete(id)
      return friends.flatMap(of)
    }
  }
}

function keyOf(id: PeerId): Key {
  return new Key(`/banmesh/whereabouts/${id}`)
}
