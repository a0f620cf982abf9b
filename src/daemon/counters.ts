/** What has been counted since the start: per friend, and refusals by reason. */
import type { PeerId } from '../core/report.ts'
import type { Outcome, Refusal } from './outcome.ts'

interface FriendCount {
  /** Envelopes that it brought. */
  readonly reports: number
  /** Of these, new and taken. */
  readonly accepted: number
  /** Of these, refused. */
  readonly rejected: number
}

export interface Counters {
  count(from: PeerId, outcome: Outcome): void
  friend(id: PeerId): FriendCount
  refused(): ReadonlyMap<Refusal, number>
}

export function createCounters(): Counters {
  const friends = new Map<PeerId, FriendCount>()
  const refusals = new Map<Refusal, number>()
  const friend = (id: PeerId): FriendCount => friends.get(id) ?? { reports: 0, accepted: 0, rejected: 0 }
  return {
    friend,
    refused: () => refusals,
    count(from, outcome) {
      // Strangers reach us only by a bug of the gate; they get no entry that they could fill the memory with.
      if (outcome.kind !== 'refused' || outcome.reason !== 'not-a-friend') {
        const { reports, accepted, rejected } = friend(from)
        friends.set(from, {
          reports: reports + 1,
          accepted: accepted + Number(outcome.kind === 'accepted'),
          rejected: rejected + Number(outcome.kind === 'refused')
        })
      }
      if (outcome.kind === 'refused') refusals.set(outcome.reason, (refusals.get(outcome.reason) ?? 0) + 1)
    }
  }
}
