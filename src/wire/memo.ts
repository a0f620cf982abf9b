/**
 * Remembers results that are dear to compute again, in bounded memory. When it is full it forgets everything: simpler
 * than forgetting the oldest, and never more than one computation for each entry that was put in.
 */
interface Memo<Key, Value> {
  get(key: Key): Value | undefined
  set(key: Key, value: Value): void
}

export function createMemo<Key, Value>(limit: number): Memo<Key, Value> {
  const entries = new Map<Key, Value>()
  return {
    get: (key) => entries.get(key),
    set(key, value) {
      if (entries.size >= limit) entries.clear()
      entries.set(key, value)
    }
  }
}
