/** The bounds of sync. Frames and reconciliation are part of the protocol (src/wire/PROTOCOL.md); the rest is ours. */
import { RECONCILE_LIMITS } from '../core/reconcile.ts'

const KIB = 1024

export const SYNC_LIMITS = {
  /** Messages, ranges, items and rounds of a reconciliation. */
  reconcile: RECONCILE_LIMITS,
  /** Bytes of one frame: a batch, and one largest envelope more. */
  frameBytes: 256 * KIB,
  /** Envelopes in one frame. */
  reportsPerFrame: 256,
  /** A frame of reports is closed once it has so many bytes. */
  batchBytes: 64 * KIB,
  /** Bytes of reports that may be sent before the friend says that it dealt with them. */
  windowBytes: 1024 * KIB,
  /** Bytes of a friend that wait to be read: the window, and what is small. More, and the friend ignores the window. */
  unreadBytes: 1536 * KIB,
  /** Sessions at the same time, with all friends together. Each has two sets in memory, 40 bytes per item. */
  sessions: 8,
  /** Streams for sync on one connection: a session, and a few that are told to come later. */
  streamsPerConnection: 4,
  /** Opening the stream. */
  openMs: 10_000,
  /** Without a whole frame from the friend for so long, a session ends. */
  idleMs: 30_000,
  /** A session that has had so long gives way to another friend, if all places are taken: the one that has moved least. */
  turnMs: 60_000,
  /** A session takes no longer than that; what is missing then comes with the next one. */
  sessionMs: 15 * 60_000
}

export type SyncLimits = typeof SYNC_LIMITS
