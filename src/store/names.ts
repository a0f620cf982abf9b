/** The names in the ledger: peer IDs and jails. Anybody may invent some, so those that nothing refers to any more are collected. */
import { transaction, type Database } from './database.ts'
import { createInterned } from './interned.ts'

export function createNames(db: Database) {
  const peers = createInterned(db, 'peers')
  const jails = createInterned(db, 'jails')
  const selectOrigins = db.prepare('SELECT DISTINCT origin FROM reports')
  const selectJails = db.prepare('SELECT DISTINCT jail FROM claims')

  return {
    peers,
    jails,
    counts: () => ({ peers: peers.count(), jails: jails.count() }),

    /** If there are more than `limit`. Reads every origin, jail and, by `addOthers`, path; for once in a while. */
    collect(limit: number, addOthers: (used: Set<number>) => void): void {
      if (peers.count() + jails.count() <= limit) return
      transaction(db, () => {
        const used = new Set((selectOrigins.all() as { origin: number }[]).map(({ origin }) => origin))
        addOthers(used)
        peers.keep(used)
        jails.keep(new Set((selectJails.all() as { jail: number }[]).map(({ jail }) => jail)))
      })
    },

    /** Whether so many came since the last collection that one pays: as many as were left then, or `least`. */
    hasManyNew(least: number): boolean {
      const [peerGrowth, jailGrowth] = [peers.growth(), jails.growth()]
      return peerGrowth.added + jailGrowth.added > Math.max(least, peerGrowth.kept + jailGrowth.kept)
    },

    /** To be called after a rollback. */
    clear(): void {
      peers.clear()
      jails.clear()
    }
  }
}
