/** What came of a friend's words: how many of the subjects that it says are banned we saw ourselves, or contradict. */
import type { PeerId } from '../core/report.ts'
import type { Database } from './database.ts'

export interface FriendRecord {
  /** Subjects that we have banned ourselves. */
  readonly confirmed: number
  /** Subjects that the operator, the allowlist or an address of ours contradicts. */
  readonly disputed: number
}

/** Reads all claims of the friend: for an operator's question, not for a hot path. */
export function createFriendRecord(db: Database): (friend: PeerId) => FriendRecord {
  const ofFriend = `FROM peers JOIN paths ON paths.friend = peers.id JOIN claims ON claims.report = paths.report`
  const confirmed = db.prepare(
    `SELECT count(DISTINCT claims.subject) AS n ${ofFriend} JOIN claims AS ours ON ours.subject = claims.subject
     WHERE peers.name = ? AND claims.ban = 1 AND ours.own > 0 AND ours.ban = 1`
  )
  const disputed = db.prepare(
    `SELECT count(DISTINCT claims.subject) AS n ${ofFriend} JOIN verdicts ON verdicts.subject = claims.subject
     WHERE peers.name = ? AND claims.ban = 1
       AND verdicts.reason IN ('vetoed', 'allowlisted', 'own-address', 'friend-address')`
  )
  return (friend) => ({
    confirmed: (confirmed.get(friend) as { n: number }).n,
    disputed: (disputed.get(friend) as { n: number }).n
  })
}
