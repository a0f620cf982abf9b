/**
 * A queue with many sources that are served in turn: whoever puts a thousand items in at once waits behind its own items,
 * and not in front of everybody else's. Items of one source stay in their order.
 */

export interface FairQueue<Source, Item> {
  /** `weight`: what the item counts for in `load`, such as its bytes. */
  push(source: Source, item: Item, weight: number): void
  /**
   * The next item of the source that has waited longest for its turn, or undefined if nothing is here. A source that is to
   * be passed over keeps its place.
   */
  take(isPassedOver?: (source: Source) => boolean): Item | undefined
  size(): number
  load(source: Source): { readonly items: number; readonly weight: number }
}

interface Line<Item> {
  readonly items: { readonly item: Item; readonly weight: number }[]
  weight: number
}

const EMPTY = { items: 0, weight: 0 }

export function createFairQueue<Source, Item>(): FairQueue<Source, Item> {
  /** In the order of their turns; a source without items has no line, so that nothing stays of those who are gone. */
  const lines = new Map<Source, Line<Item>>()
  let size = 0
  return {
    push(source, item, weight) {
      const line = lines.get(source) ?? { items: [], weight: 0 }
      line.items.push({ item, weight })
      line.weight += weight
      lines.set(source, line)
      size++
    },
    take(isPassedOver = () => false) {
      for (const [source, line] of lines) {
        if (isPassedOver(source)) continue
        const { item, weight } = line.items.shift()!
        line.weight -= weight
        lines.delete(source)
        if (line.items.length > 0) lines.set(source, line)
        size--
        return item
      }
      return undefined
    },
    size: () => size,
    load(source) {
      const line = lines.get(source)
      return line === undefined ? EMPTY : { items: line.items.length, weight: line.weight }
    }
  }
}
