/** What the daemon needs before anything else: its folders, the private network's key, and the ledger's file. */
import { mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { ok, refuse, type Result } from '../core/result.ts'
import { openDatabase, type Database, type OpenRefusal } from '../store/database.ts'
import type { Config } from './config.ts'
import { loadNetworkKey } from './network-key.ts'

export interface Premises {
  readonly db: Database
  /** As `@libp2p/pnet` reads it; null in an open network. */
  readonly networkKey: Uint8Array | null
}

export type PremisesRefusal = OpenRefusal | 'network-key' | 'data-dir'

export function openPremises(config: Config): Result<Premises, PremisesRefusal> {
  const networkKey = loadNetworkKey(config.networkKey)
  if (!networkKey.ok) return refuse('network-key')
  try {
    mkdirSync(config.dataDir, { recursive: true, mode: 0o750 })
    mkdirSync(dirname(config.control), { recursive: true, mode: 0o750 })
  } catch {
    return refuse('data-dir')
  }
  const db = openDatabase(join(config.dataDir, 'ledger.db'))
  return db.ok ? ok({ db: db.value, networkKey: networkKey.value }) : db
}
