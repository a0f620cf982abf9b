/** The friends as configured, by peer ID: the live table that a reload replaces and everything else looks up. */
import type { PeerId, Ppm } from '../core/report.ts'

export interface Friend {
  readonly id: PeerId
  /** Its ID before it changed its key. */
  readonly was?: PeerId | undefined
  readonly name: string
  readonly trust: Ppm
  /** Compute everything, act on nothing of what it says. */
  readonly observe: boolean
  /** Take nothing from it for now; what it brought before counts no longer. */
  readonly paused: boolean
  /** Accept claims of these jails only; `*` is any. */
  readonly jails: readonly string[]
  /** Configured multiaddrs; may be empty, the DHT finds them. */
  readonly addresses: readonly string[]
}

export interface Friends {
  get(id: string): Friend | undefined
  all(): readonly Friend[]
  replace(friends: readonly Friend[]): void
}

export function createFriends(initial: readonly Friend[]): Friends {
  let byId = new Map<string, Friend>()
  const friends: Friends = {
    get: (id) => byId.get(id),
    all: () => [...byId.values()],
    replace(list) {
      byId = new Map(list.map((friend) => [friend.id, friend]))
    }
  }
  friends.replace(initial)
  return friends
}
