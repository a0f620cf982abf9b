/** Up to so many are sorted by insertion. */
const FEW = 32

/**
 * Like `sort`, in place. Most subjects have few claims; the built-in sort, which calls from outside of optimised code, takes
 * a tenth of all the time of a verdict for them, and this a fifth of that.
 */
export function sorted<T>(items: T[], compare: (a: T, b: T) => number): T[] {
  if (items.length > FEW) return items.sort(compare)
  for (let i = 1; i < items.length; i++) {
    const item = items[i]!
    let at = i
    for (; at > 0 && compare(items[at - 1]!, item) > 0; at--) items[at] = items[at - 1]!
    items[at] = item
  }
  return items
}
