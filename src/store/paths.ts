/**
 * The ways by which friends brought the reports, and the one of them that we vouch for: what we offer to other friends.
 * Both with the key under which the two sides of a sync compare them.
 */
import { Buffer } from 'node:buffer'
import type { SQLInputValue, StatementSync } from 'node:sqlite'
import { isDeepStrictEqual } from 'node:util'
import { PROTOCOL_LIMITS } from '../core/limits.ts'
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

/** For sync, as columns: `refs` are the reports' rows. */
export interface SyncPage {
  readonly issuedAt: readonly number[]
  /** 16 bytes each, one after the other. */
  readonly keys: Uint8Array
  readonly refs: readonly number[]
}

/** A hop is the peer's number and the trust. */
const WORD_BYTES = 4
const HOP_BYTES = 2 * WORD_BYTES

/** Reports looked at for a page: less than a millisecond. Whoever reads the pages may do other things in between. */
const PAGE = 1000

/**
 * One row for a page: SQLite gathers its columns, and JavaScript parses three texts. As rows of their own, with an object
 * and an array of bytes each, 100,000 reports take half a second, six times as long.
 */
function pageOf(rows: string): string {
  return `SELECT max(ref) AS last, json_group_array(issuedAt) FILTER (WHERE wanted) AS issuedAt,
    group_concat(hex(key), '') FILTER (WHERE wanted) AS keys, json_group_array(ref) FILTER (WHERE wanted) AS refs
    FROM (${rows} ORDER BY ref LIMIT ${PAGE})`
}

/** Whether a packed path has this peer in it. Where its bytes don't occur there is nothing to be cut out. */
const PASSES = `instr(paths.hops, $peer) AND $peer IN (${Array.from(
  { length: PROTOCOL_LIMITS.hops },
  (_, hop) => `substr(paths.hops, ${hop * HOP_BYTES + 1}, ${WORD_BYTES})`
).join(', ')})`

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
    pageOf(
      `SELECT reports.issued_at AS issuedAt, paths.key, paths.report AS ref, 1 AS wanted
       FROM paths JOIN reports ON reports.id = paths.report WHERE paths.friend = $friend AND paths.report > $after`
    )
  )
  const selectOffers = db.prepare(
    pageOf(
      `SELECT issued_at AS issuedAt, offer AS key, id AS ref,
         CASE WHEN offer IS NULL OR origin = $friend OR offer_via = $friend THEN 0
         ELSE NOT EXISTS (SELECT 1 FROM paths WHERE report = reports.id AND paths.friend = offer_via AND ${PASSES}) END AS wanted
       FROM reports WHERE id > $after`
    )
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
      // Compared by name: what is asked about may yet be refused, and gives out no numbers.
      const before = select.get(row, peers.id(friend)) as { hops: Uint8Array } | undefined
      return before === undefined || !isDeepStrictEqual(unpack(before.hops), hops)
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

    /** What a friend has brought. Each page is as things are when it is read. */
    holds: (friend: PeerId) => pages(selectHeld, { friend: peers.id(friend) }),

    /** What we offer, without what came from or through this friend: it would refuse that as an echo. In pages, like that. */
    offers(friend: PeerId): Generator<SyncPage> {
      const id = peers.id(friend)
      return pages(selectOffers, { friend: id, peer: new Uint8Array(Uint32Array.of(id).buffer) })
    }
  }
}

interface PageRow {
  /** The last row that was looked at; null: there was none. */
  readonly last: number | null
  readonly issuedAt: string
  readonly keys: string | null
  readonly refs: string
}

function* pages(select: StatementSync, parameters: Record<string, SQLInputValue>): Generator<SyncPage> {
  const read = (after: number): PageRow => select.get({ ...parameters, after }) as unknown as PageRow
  for (let row = read(0); row.last !== null; row = read(row.last)) {
    yield {
      issuedAt: JSON.parse(row.issuedAt) as number[],
      keys: Buffer.from(row.keys ?? '', 'hex'),
      refs: JSON.parse(row.refs) as number[]
    }
  }
}

/** SQLite's bytes need not lie on a word boundary: copied before they are looked at as words. */
function wordsOf(bytes: Uint8Array): Uint32Array {
  return new Uint32Array(bytes.slice().buffer)
}
