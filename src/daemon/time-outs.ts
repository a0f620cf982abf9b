/**
 * A friend whose breaker has tripped (admission.ts) is cut off for a while: else its bytes would still cost us. It keeps
 * its evidence, its place in the config and its addresses, and when it is back, sync brings what was missed.
 */
import type { PeerId } from '../core/report.ts'
import type { Friends } from './friends.ts'

export interface TimeOutsOptions {
  readonly friends: Friends
  /** The mesh, once there is one. */
  mesh(): {
    suspendFriend(friend: PeerId): void
    addFriend(friend: { readonly id: PeerId; readonly addresses: readonly string[] }): Promise<void>
  } | null
  /** Tells the operator. */
  report(message: string, detail: Record<string, unknown>): void
  /** Unix ms. */
  now(): number
}

export interface TimeOuts {
  /** `until`: Unix ms. */
  begin(friend: PeerId, until: number): void
  /** The friend is welcome again at once. */
  end(friend: PeerId): void
  stop(): void
}

export function createTimeOuts({ friends, mesh, report, now }: TimeOutsOptions): TimeOuts {
  const timers = new Map<PeerId, NodeJS.Timeout>()
  let stopped = false

  function end(id: PeerId): void {
    clearTimeout(timers.get(id))
    timers.delete(id)
    const friend = friends.get(id)
    if (stopped || friend === undefined) return
    mesh()
      ?.addFriend(friend)
      .catch((error: unknown) => report('a friend could not be taken back after its pause', { friend: id, error }))
  }

  return {
    begin(id, until) {
      const seconds = Math.round((until - now()) / 1000)
      const name = friends.get(id)?.name
      report(`the friend ${name} sends junk or far too much: paused for ${seconds} seconds`, { friend: id })
      // Not in the middle of its message.
      setImmediate(() => mesh()?.suspendFriend(id))
      clearTimeout(timers.get(id))
      timers.set(
        id,
        setTimeout(() => end(id), until - now())
      )
    },
    end(id) {
      if (timers.has(id)) end(id)
    },
    stop() {
      stopped = true
      for (const timer of timers.values()) clearTimeout(timer)
    }
  }
}
