/**
 * Whether a jail has lived on between two looks at it, or was stopped and started in between, which fail2ban does not say.
 *
 * The server's socket tells its own restarts. The restart of one jail shows in its count of all bans: that starts anew,
 * with one for each ban that was restored, and so falls behind if one of the bans that we know of was not restored.
 */
import type { Cidr } from '../core/cidr.ts'

export interface JailLife {
  readonly instance: string | null
  readonly everBanned: number
  readonly listed: ReadonlySet<Cidr>
  /** We banned these, `added` of which were not banned before. */
  grow(added: number, subjects: readonly Cidr[]): void
  /** If a ban is missing in `now`: whether it can be the same life. */
  goesOnAs(now: JailLife): boolean
}

/**
 * `instance`: from `fail2banInstance`, null if the socket can't be seen. `everBanned`: the jail's count of all bans.
 * `bans`: those that it listed at the same moment.
 */
export function createJailLife(instance: string | null, everBanned: number, bans: Iterable<Cidr>): JailLife {
  const listed = new Set(bans)
  let count = everBanned
  return {
    instance,
    listed,
    get everBanned() {
      return count
    },
    grow(added, subjects) {
      count += added
      for (const subject of subjects) listed.add(subject)
    },
    goesOnAs(now) {
      if (instance !== now.instance) return false
      let unknown = 0
      for (const subject of now.listed) if (!listed.has(subject)) unknown++
      return now.everBanned >= count + unknown
    }
  }
}
