/**
 * The ways by which friends brought the reports, and the one of them that we vouch for: what we offer to other friends.
 * Both with the key under which the two sides of a sync compare them.
 */
import { Buffer } from 'node:buffer'
import type { Hop, PeerId, Ppm } from '../core/report.ts'
import type { Database } from './database.ts'
import type { Interned } from './interned.ts'
import type { ReportRow } from './ledger.ts'

export interface StoredPath {
  /** Who brought the report. */
  readonly friend: PeerId
  /** In order of travel, the friend's own hop last; empty if the friend is the origin. */
  readonly hops: readonly Hop[]
}

/** The path that came in by `via`; null for a report of our own. */
export interface StoredOffer {
  readonly key: Uint8Array
  readonly via: PeerId | null
}

/** For sync: `ref` is the report's row. */
export interface SyncItem {
  readonly issuedAt: number
  readonly key: Uint8Array
  readonly ref: number
}

export function createPaths(db: Database, peers: Interned) {
  const select = db.prepare('SELECT hops FROM paths WHERE report = ? AND friend = ?')
  const upsert = db.prepare(
    `INSERT INTO paths (report, friend, hops, key) VALUES (?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET hops = excluded.hops, key = excluded.key`
  )
  const selectAll = db.prepare('SELECT friend, hops FROM paths WHERE report = ?')
  const removeAll = db.prepare('DELETE FROM paths WHERE report = ?')
  const updateOffer = db.prepare('UPDATE reports SET offer = ?, offer_via = ?, relayed = ? WHERE id = ?')
  const selectPeers = db.prepare('SELECT friend, hops FROM paths')
  const selectHeld = db.prepare(
    `SELECT reports.issued_at AS issuedAt, paths.key, paths.report AS ref
     FROM paths JOIN reports ON reports.id = paths.report WHERE paths.friend = ?`
  )
  const selectOffers = db.prepare(
    `SELECT reports.issued_at AS issuedAt, reports.offer AS key, reports.id AS ref, reports.origin, paths.hops
     FROM reports LEFT JOIN paths ON paths.report = reports.id AND paths.friend = reports.offer_via
     WHERE reports.offer IS NOT NULL`
  )

  /** Those asked for last: the claims of a report are judged one after the other. */
  let last: { readonly row: number; readonly paths: readonly StoredPath[] } | null = null

  function pack(hops: readonly Hop[]): Uint8Array {
    const words = new Uint32Array(hops.length * 2)
    hops.forEach((hop, index) => words.set([peers.id(hop.peer), hop.trust], index * 2))
    return new Uint8Array(words.buffer)
  }

  function unpack(bytes: Uint8Array): Hop[] {
    const words = wordsOf(bytes)
    return Array.from({ length: words.length / 2 }, (_, i) => ({
      peer: peers.name(words[i * 2]!) as PeerId,
      trust: words[i * 2 + 1]!
    }))
  }

  return {
    /** Whether the friend has not said so before. */
    isNews(row: ReportRow, { friend, hops }: StoredPath): boolean {
      const before = select.get(row, peers.id(friend)) as { hops: Uint8Array } | undefined
      return before === undefined || Buffer.compare(before.hops, pack(hops)) !== 0
    },

    /** A friend's latest word on how a report reached it replaces its earlier one. */
    put(row: ReportRow, { friend, hops }: StoredPath, key: Uint8Array): void {
      upsert.run(row, peers.id(friend), pack(hops), key)
      last = null
    },

    of(row: ReportRow): readonly StoredPath[] {
      if (last?.row === row) return last.paths
      const rows = selectAll.all(row) as { friend: number; hops: Uint8Array }[]
      const paths = rows.map(({ friend, hops }) => ({ friend: peers.name(friend) as PeerId, hops: unpack(hops) }))
      last = { row, paths }
      return paths
    },

    remove(row: number): void {
      removeAll.run(row)
      last = null
    },

    /** To be called after a rollback. */
    forgetCaches(): void {
      last = null
    },

    /** What friends are offered, or null for nothing, and with which confidence it was relayed last, if ever. */
    offer(row: ReportRow, offer: StoredOffer | null, relayed: Ppm | null): void {
      const via = offer === null || offer.via === null ? null : peers.id(offer.via)
      updateOffer.run(offer?.key ?? null, via, relayed, row)
    },

    /** Adds the number of every peer that occurs in a path. */
    peersUsed(used: Set<number>): void {
      for (const { friend, hops } of selectPeers.iterate() as unknown as Iterable<{
        friend: number
        hops: Uint8Array
      }>) {
        used.add(friend)
        const words = wordsOf(hops)
        for (let i = 0; i < words.length; i += 2) used.add(words[i]!)
      }
    },

    /** What a friend has brought. */
    *holds(friend: PeerId): Generator<SyncItem> {
      yield* selectHeld.iterate(peers.id(friend)) as unknown as Iterable<SyncItem>
    },

    /** What we offer, without what came from or through this friend: it would refuse that as an echo. */
    *offers(friend: PeerId): Generator<SyncItem> {
      const id = peers.id(friend)
      const rows = selectOffers.iterate() as unknown as Iterable<SyncItem & { origin: number; hops: Uint8Array | null }>
      for (const { issuedAt, key, ref, origin, hops } of rows) {
        if (origin !== id && !passes(hops, id)) yield { issuedAt, key, ref }
      }
    }
  }
}

function passes(hops: Uint8Array | null, peer: number): boolean {
  if (hops === null) return false
  const words = wordsOf(hops)
  for (let i = 0; i < words.length; i += 2) if (words[i] === peer) return true
  return false
}

/** SQLite's bytes need not lie on a word boundary: copied before they are looked at as words. */
function wordsOf(bytes: Uint8Array): Uint32Array {
  return new Uint32Array(bytes.slice().buffer)
}
