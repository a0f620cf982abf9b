/** What `nft -j list table inet banmesh` says of our table, as plain values. */

export interface NftListing {
  /**
   * Seconds after which each element ends; Infinity for one that stays. By address or CIDR as nft spells it, which is our
   * spelling too, unless it is somebody else's: to parse all of them would take several times as long.
   */
  readonly elements: ReadonlyMap<string, number>
  /** There are elements that are nothing of ours, such as a range: the table is made anew. */
  readonly foreign: boolean
}

/** Null if it is not understood. */
export function parseListing(json: string): NftListing | null {
  const items = itemsOf(json)
  if (items === null) return null
  const elements = new Map<string, number>()
  let foreign = false
  for (const { set } of items) {
    if (!isRecord(set) || typeof set['name'] !== 'string') continue
    const [, prefix = ''] = set['name'].split('_')
    const suffix = prefix === '32' || prefix === '128' ? '' : `/${prefix}`
    for (const element of Array.isArray(set['elem']) ? set['elem'] : []) {
      const { address, seconds } = readElement(element)
      if (typeof address === 'string') elements.set(address + suffix, seconds)
      else foreign = true
    }
  }
  return { elements, foreign }
}

/**
 * The table's frame: chains, rules and sets without their elements (`nft -t`), as a text that changes when somebody
 * changes them. Null if it is not understood.
 */
export function parseFrame(json: string): string | null {
  const items = itemsOf(json)
  // Handles are given anew at every start, and counters count.
  return items === null
    ? null
    : JSON.stringify(
        items.filter(({ metainfo }) => metainfo === undefined),
        (key, value: unknown) => (key === 'handle' || key === 'counter' || key === 'elem' ? undefined : value)
      )
}

function itemsOf(json: string): Record<string, unknown>[] | null {
  try {
    const { nftables } = JSON.parse(json) as { nftables?: unknown }
    return Array.isArray(nftables) && nftables.every(isRecord) ? nftables : null
  } catch {
    return null
  }
}

/** `{"elem": {"val": "203.0.113.7", "timeout": 600, "expires": 599}}`, or the bare value of one without a time. */
function readElement(element: unknown): { readonly address: unknown; readonly seconds: number } {
  const inner = isRecord(element) ? element['elem'] : undefined
  if (!isRecord(inner)) return { address: element, seconds: Number.POSITIVE_INFINITY }
  const { val, expires } = inner
  return { address: val, seconds: typeof expires === 'number' ? expires : Number.POSITIVE_INFINITY }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
