/**
 * Subjects with very many claims, and how many of these each friend has brought: noticed when they are judged, so that
 * nothing has to be counted when one more arrives.
 */
import type { PeerId } from '../core/report.ts'
import type { Subject } from '../core/subject.ts'
import type { StoredClaim } from '../store/ledger.ts'

export interface Crowds {
  /** All live claims about a subject, as they were just judged. */
  note(subject: Subject, claims: readonly StoredClaim[]): void
  /** Claims that came by a friend; 0 where there are few. */
  of(subject: Subject, friend: PeerId): number
}

/** Fewer claims about a subject are no crowd. So the map has at most one entry for so many claims of the ledger. */
const CROWD = 100

export function createCrowds(): Crowds {
  const crowds = new Map<Subject, ReadonlyMap<PeerId, number>>()
  return {
    note(subject, claims) {
      if (claims.length < CROWD) {
        crowds.delete(subject)
        return
      }
      const byFriend = new Map<PeerId, number>()
      for (const { paths } of claims) {
        for (const { friend } of paths) byFriend.set(friend, (byFriend.get(friend) ?? 0) + 1)
      }
      crowds.set(subject, byFriend)
    },
    of: (subject, friend) => crowds.get(subject)?.get(friend) ?? 0
  }
}
