/**
 * Where friends can be reached: configured addresses first, then those at which they were met, which survive a restart.
 * libp2p's peer store is not enough: it forgets an address after an hour, and anybody can add to it.
 */
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr'
import { Key, type Datastore } from 'interface-datastore'
import type { PeerId } from '../core/report.ts'
import { hostOf } from './gate.ts'
import type { MeshLimits } from './limits.ts'

/** What is kept of a friend between restarts. */
interface Memory {
  readonly addresses: readonly string[]
  /** Unix ms at which it was last connected, or null if never. */
  readonly lastSeen: number | null
}

export interface Addresses {
  /** Reads what is remembered. Junk in the store or among the configured addresses is skipped. */
  add(friend: PeerId, configured: readonly string[]): Promise<void>
  /** The friend's memory goes too. */
  remove(friend: PeerId): Promise<void>
  /** Best first, without the friend's peer ID at the end. */
  of(friend: PeerId): readonly Multiaddr[]
  lastSeen(friend: PeerId): number | null
  /** The friend was met, at `now` (Unix ms): puts these addresses before those that are remembered. */
  met(friend: PeerId, addresses: readonly Multiaddr[], now: number): Promise<void>
  isHost(host: string): boolean
}

export function createAddresses(datastore: Datastore, limits: MeshLimits): Addresses {
  const configured = new Map<PeerId, readonly Multiaddr[]>()
  const memories = new Map<PeerId, Memory>()
  let hosts = new Set<string>()

  function of(friend: PeerId): readonly Multiaddr[] {
    const remembered = memories.get(friend)?.addresses ?? []
    const all = [...(configured.get(friend) ?? []), ...readAll(remembered)]
    return distinct(all).slice(0, limits.addressesPerFriend)
  }

  function changed(): void {
    hosts = new Set([...configured.keys()].flatMap((friend) => of(friend).map(hostOf)))
  }

  return {
    async add(friend, addresses) {
      configured.set(
        friend,
        readAll(addresses)
          .map((address) => withoutPeer(address, friend))
          .filter(isHere)
      )
      memories.set(friend, await load(datastore, friend))
      changed()
    },
    async remove(friend) {
      configured.delete(friend)
      memories.delete(friend)
      changed()
      await datastore.delete(keyOf(friend))
    },
    of,
    lastSeen: (friend) => memories.get(friend)?.lastSeen ?? null,
    async met(friend, addresses, now) {
      const before = memories.get(friend)
      if (before === undefined) return
      const fresh = addresses.map((address) => withoutPeer(address, friend)).filter(isHere)
      const short = [...fresh.map(String), ...before.addresses].filter(
        (text) => text.length <= limits.addressLength && PLAIN.test(text)
      )
      const memory = { addresses: [...new Set(short)].slice(0, limits.addressesPerFriend), lastSeen: now }
      memories.set(friend, memory)
      changed()
      await datastore.put(keyOf(friend), new TextEncoder().encode(JSON.stringify(memory)))
    },
    isHost: (host) => hosts.has(host)
  }
}

function keyOf(friend: PeerId): Key {
  return new Key(`/banmesh/friends/${friend}`)
}

async function load(datastore: Datastore, friend: PeerId): Promise<Memory> {
  try {
    const stored: unknown = JSON.parse(new TextDecoder().decode(await datastore.get(keyOf(friend))))
    return readMemory(stored)
  } catch {
    return { addresses: [], lastSeen: null }
  }
}

function readMemory(stored: unknown): Memory {
  const { addresses, lastSeen } = stored as { addresses?: unknown; lastSeen?: unknown }
  return {
    addresses: Array.isArray(addresses) ? addresses.filter((text) => typeof text === 'string') : [],
    lastSeen: typeof lastSeen === 'number' ? lastSeen : null
  }
}

/** A friend says where it is, and the operator sees it: a host name may hold whatever multiaddr lets through, such as ESC. */
const PLAIN = /^[A-Za-z0-9_./:-]+$/

function readAll(texts: readonly string[]): Multiaddr[] {
  return texts.flatMap((text) => {
    try {
      return PLAIN.test(text) ? [multiaddr(text)] : []
    } catch {
      return []
    }
  })
}

/** The address without the friend's peer ID at its end; null if it is somebody else's. */
export function withoutPeer(address: Multiaddr, friend: PeerId): Multiaddr | null {
  const last = address.getComponents().at(-1)
  if (last?.name !== 'p2p') return address
  return last.value === friend ? address.decapsulate(`/p2p/${friend}`) : null
}

function isHere(address: Multiaddr | null): address is Multiaddr {
  return address !== null && address.getComponents().length > 0
}

function distinct(addresses: readonly Multiaddr[]): Multiaddr[] {
  return [...new Map(addresses.map((address) => [address.toString(), address])).values()]
}
