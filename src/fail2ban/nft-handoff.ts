/**
 * The hand-off by nftables: our own table (nft-ruleset.ts) has every wanted ban, each with the time until its verdict
 * ends, so that the kernel ends it even if we don't live to see that.
 *
 * The table is made at the start, whatever is there, and again whenever it can't be as we left it: a failed command, a
 * flushed ruleset, other rules in it. What the kernel has is compared with what is wanted every so often, for clocks
 * jump, machines sleep, and people delete elements. All of it from the verdicts, so there is nothing to keep over a
 * reboot.
 */
import { parseSubject, type Subject } from '../core/subject.ts'
import { ok, type Result } from '../core/result.ts'
import { createLoop, type Schedule } from './loop.ts'
import { parseFrame, parseListing } from './nft-listing.ts'
import {
  changeText,
  NFT_TABLE,
  placeOf,
  REMOVE_TABLE,
  tableText,
  type NftBlock,
  type NftElement
} from './nft-ruleset.ts'
import { createNft, type Nft, type NftRefusal } from './nft.ts'
import type { Handoff, Outbox, Wanted, WantedNow } from './outbox.ts'

export const NFT_HANDOFF = {
  /** Changes in one transaction. */
  batch: 5000,
  /** Milliseconds between two looks at the table's frame: a flush by somebody else is made good within this time. */
  lookMs: 15_000,
  /** Milliseconds between two comparisons of all elements, which are listed for it: half a second for 100,000. */
  compareMs: 300_000,
  /** Seconds by which an element's end may differ from its verdict's: nft tells whole ones, and takes its time. */
  slackSeconds: 30
} as const

export interface NftHandoffOptions {
  readonly nft: Nft
  readonly block: NftBlock
  readonly outbox: Outbox
  readonly wanted: WantedNow
  /** The table was not as we had left it, and was made again, or so many of its elements. */
  readonly onRestored?: (what: 'table' | number) => void
  /** Unix ms. */
  readonly now: () => number
  readonly schedule: Schedule
  readonly compareMs?: number
}

/** Takes back all that the hand-off did, also that of an earlier run; no table is fine. */
export function removeTable(nft: Nft = createNft()): Promise<Result<void, NftRefusal>> {
  return nft.run(REMOVE_TABLE)
}

export function createNftHandoff(options: NftHandoffOptions): Handoff {
  const { nft, block, outbox, wanted, onRestored, now, schedule, compareMs = NFT_HANDOFF.compareMs } = options
  /** The sets that the table has, and how its frame looks; null if the table has to be made. */
  let table: { sets: ReadonlySet<string>; frame: string | null } | null = null
  let madeBefore = false
  let lookAt = 0
  let compareAt = 0

  function elementOf({ subject, until }: Wanted): NftElement {
    return { subject, seconds: Math.ceil(until - now() / 1000) }
  }

  async function makeTable(): Promise<Result<void, NftRefusal>> {
    const elements = [...wanted()].map(elementOf).filter(({ seconds }) => seconds > 0)
    const made = await nft.run(tableText(elements, block))
    if (!made.ok) return made
    table = { sets: new Set(elements.map(({ subject }) => placeOf(subject).set)), frame: null }
    compareAt = now() + compareMs
    if (madeBefore) onRestored?.('table')
    madeBefore = true
    return ok(undefined)
  }

  async function change(add: readonly NftElement[], remove: readonly Subject[]): Promise<Result<void, NftRefusal>> {
    const before = table!
    const { text, sets } = changeText(add, remove, before.sets)
    const changed = await nft.run(text)
    // Whatever it was, with a table of known content it does not happen again.
    table = changed.ok ? { sets, frame: sets.size === before.sets.size ? before.frame : null } : null
    return changed
  }

  async function drain(): Promise<Result<void, NftRefusal>> {
    for (;;) {
      const entries = outbox.pending('nftables', NFT_HANDOFF.batch)
      if (entries.length === 0) return ok(undefined)
      const bans = entries.filter(({ action }) => action === 'ban').map(elementOf)
      const add = bans.filter(({ seconds }) => seconds > 0)
      const kept = new Set(add.map(({ subject }) => subject))
      const gone = entries.map(({ subject }) => subject).filter((subject) => !kept.has(subject))
      let changed = await change(add, gone)
      if (!changed.ok && changed.reason !== 'needs-cap-net-admin') changed = await makeTable()
      if (!changed.ok) return changed
      outbox.done('nftables', entries)
    }
  }

  /** Whether chains, rules and sets are as we left them; if not, the table has to be made. */
  async function look(): Promise<Result<void, NftRefusal>> {
    const listed = await nft.list('-j', '-t', 'list', 'table', 'inet', NFT_TABLE)
    lookAt = now() + NFT_HANDOFF.lookMs
    if (!listed.ok && listed.reason !== 'missing') return listed
    const frame = listed.ok ? parseFrame(listed.value) : null
    if (frame === null || (table!.frame !== null && table!.frame !== frame)) table = null
    else table = { ...table!, frame }
    return ok(undefined)
  }

  async function compareElements(): Promise<Result<void, NftRefusal>> {
    const askedAt = now() / 1000
    const listed = await nft.list('-j', 'list', 'table', 'inet', NFT_TABLE)
    const answeredAt = now() / 1000
    compareAt = now() + compareMs
    if (!listed.ok && listed.reason !== 'missing') return listed
    const listing = listed.ok ? parseListing(listed.value) : null
    if (listing === null || listing.foreign) {
      table = null
      return ok(undefined)
    }
    const add: NftElement[] = []
    const unwanted = new Set(listing.elements.keys())
    for (const ban of wanted()) {
      const element = elementOf(ban)
      if (element.seconds <= 0) continue
      unwanted.delete(ban.subject)
      // One that is about to end may be gone already.
      const left = listing.elements.get(ban.subject) ?? 0
      const early = ban.until - (answeredAt + left)
      const late = askedAt + left - ban.until
      if (Math.max(early, late) > NFT_HANDOFF.slackSeconds) add.push(element)
    }
    const wrong = add.length + unwanted.size
    if (wrong === 0) return ok(undefined)
    const remove = [...unwanted].flatMap((text) => {
      const subject = parseSubject(text)
      return subject.ok ? [subject.value] : []
    })
    if (remove.length < unwanted.size) {
      table = null
      return ok(undefined)
    }
    const changed = await change(add, remove)
    // With news in the outbox it may have been just these.
    if (changed.ok && outbox.count('nftables') === 0) onRestored?.(wrong)
    return changed
  }

  const loop = createLoop({
    schedule,
    async work() {
      if (table === null) {
        const made = await makeTable()
        if (!made.ok) return made
      }
      const drained = await drain()
      if (!drained.ok) return drained
      // A frame that is new is remembered at once. Also if the clock was set back.
      if (table!.frame === null || now() >= lookAt || now() < lookAt - NFT_HANDOFF.lookMs) {
        const looked = await look()
        if (!looked.ok) return looked
        if (table === null) return ok(0)
      }
      if (now() >= compareAt || now() < compareAt - compareMs) {
        const compared = await compareElements()
        if (!compared.ok) return compared
        if (table === null) return ok(0)
      }
      return ok(Math.max(0, Math.min(lookAt, compareAt) - now()))
    }
  })
  return {
    ...loop,
    start() {
      nft.start()
      loop.start()
    },
    view: () => ({ pending: outbox.count('nftables'), lastError: loop.lastError() }),
    async stop() {
      await loop.stop()
      // What is banned stays banned for its time: a restart is no amnesty.
      nft.stop()
    }
  }
}
