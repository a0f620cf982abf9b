/**
 * libp2p's peer store and DHT records in the ledger's own file, so that addresses survive a restart. A small
 * `BaseDatastore`: datastore-level would bring a native addon with an install script.
 */
import { BaseDatastore } from 'datastore-core'
import { Key, type Pair, type Query, type KeyQuery } from 'interface-datastore'
import { NotFoundError } from 'interface-store'
import type { Database } from './database.ts'

interface Row {
  key: string
  value: Uint8Array
}

export class SqliteDatastore extends BaseDatastore {
  readonly #select
  readonly #upsert
  readonly #remove
  readonly #scan

  constructor(db: Database) {
    super()
    this.#select = db.prepare('SELECT value FROM datastore WHERE key = ?')
    this.#upsert = db.prepare('INSERT OR REPLACE INTO datastore (key, value) VALUES (?, ?)')
    this.#remove = db.prepare('DELETE FROM datastore WHERE key = ?')
    this.#scan = db.prepare('SELECT key, value FROM datastore WHERE key >= ? AND key < ?')
  }

  override put(key: Key, value: Uint8Array): Key {
    this.#upsert.run(key.toString(), value)
    return key
  }

  override get(key: Key): Uint8Array {
    const row = this.#select.get(key.toString()) as Row | undefined
    if (row === undefined) throw new NotFoundError(`no ${key.toString()} in the datastore`)
    return row.value
  }

  override has(key: Key): boolean {
    return this.#select.get(key.toString()) !== undefined
  }

  override delete(key: Key): void {
    this.#remove.run(key.toString())
  }

  override async *_all(query: Query): AsyncGenerator<Pair> {
    for (const { key, value } of this.#within(query.prefix)) yield { key: new Key(key), value }
  }

  override async *_allKeys(query: KeyQuery): AsyncGenerator<Key> {
    for (const { key } of this.#within(query.prefix)) yield new Key(key)
  }

  /** Read as a whole: a statement left open would keep others from committing. */
  #within(prefix = '/'): Row[] {
    return this.#scan.all(prefix, `${prefix}\u{10FFFF}`) as unknown as Row[]
  }
}
