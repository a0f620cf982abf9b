/**
 * banmesh's own nftables table as text for `nft -f -`. What is in one text happens at once, or not at all.
 *
 * There is one set for each length of prefix that is in use (`ipv4_32`, `ipv4_24`, `ipv6_64`...), and a rule that masks
 * the source address to look it up. So every subject is one element, whatever else is banned around it: an address in a
 * banned CIDR, and a CIDR in a wider one, come and go by themselves, each with its own time. One set of intervals takes
 * no overlaps, and would have to be cut to pieces and patched at every end; nor is it fast: with 100,000 elements in it
 * nft needs most of a second to add one more, for it reads all of them first. These sets are hash tables: 10 ms.
 */
import { cidrFromBytes } from '../core/cidr.ts'
import type { Subject } from '../core/subject.ts'

export const NFT_TABLE = 'banmesh'

/** What happens to a packet from a banned address; `reject` tells the sender, TCP by a reset. */
export type NftBlock = 'drop' | 'reject'

export interface NftElement {
  readonly subject: Subject
  /** Seconds that it stays, at least 1. */
  readonly seconds: number
}

export interface NftPlace {
  /** The name of its set. */
  readonly set: string
  /** The element: an address, of a CIDR the first one. */
  readonly address: string
}

/** Elements in one command: a longer line is slower to parse than several. */
const ELEMENTS_PER_LINE = 1000
/** As raw: before conntrack, so that a flood costs no memory, and before Docker's address translation. */
const PRIORITY = -300

export const REMOVE_TABLE = `add table inet ${NFT_TABLE}\ndelete table inet ${NFT_TABLE}\n`

export function placeOf(subject: Subject): NftPlace {
  const [address = '', prefix = address.includes(':') ? '128' : '32'] = subject.split('/')
  return { set: `${address.includes(':') ? 'ipv6' : 'ipv4'}_${prefix}`, address }
}

/** The whole table anew, with these elements and no others, in place of what was there. */
export function tableText(elements: Iterable<NftElement>, block: NftBlock): string {
  const groups = groupBySet(elements)
  const table = [
    `add chain inet ${NFT_TABLE} refuse`,
    ...(block === 'drop'
      ? [`add rule inet ${NFT_TABLE} refuse counter drop`]
      : [
          `add rule inet ${NFT_TABLE} refuse meta l4proto tcp counter reject with tcp reset`,
          `add rule inet ${NFT_TABLE} refuse counter reject with icmpx type admin-prohibited`
        ]),
    `add chain inet ${NFT_TABLE} incoming { type filter hook prerouting priority ${PRIORITY}; policy accept; }`
  ]
  return [
    `${REMOVE_TABLE}add table inet ${NFT_TABLE}`,
    ...table,
    ...[...groups.keys()].flatMap(setLines),
    ...addLines(groups),
    ''
  ].join('\n')
}

/**
 * Changes of the table: `sets` are there, others are made on the way. Adding an element that is there, or removing one
 * that is not, is no error: it is added, removed and added again, which gives it its new time in every kernel.
 */
export function changeText(
  add: readonly NftElement[],
  remove: readonly Subject[],
  sets: ReadonlySet<string>
): { readonly text: string; readonly sets: ReadonlySet<string> } {
  const places = Map.groupBy([...add.map(({ subject }) => subject), ...remove].map(placeOf), ({ set }) => set)
  const made = [...places.keys()].filter((set) => !sets.has(set))
  const lines = made.flatMap(setLines)
  for (const [set, group] of places) {
    if (!sets.has(set)) continue
    const addresses = group.map(({ address }) => address)
    lines.push(...elementLines('add', set, addresses), ...elementLines('delete', set, addresses))
  }
  lines.push(...addLines(groupBySet(add)), '')
  return { text: lines.join('\n'), sets: new Set([...sets, ...made]) }
}

/** Elements with their time, by the name of their set. */
function groupBySet(elements: Iterable<NftElement>): ReadonlyMap<string, readonly string[]> {
  const groups = new Map<string, string[]>()
  for (const { subject, seconds } of elements) {
    const { set, address } = placeOf(subject)
    const timed = `${address} timeout ${seconds}s`
    const group = groups.get(set)
    if (group === undefined) groups.set(set, [timed])
    else group.push(timed)
  }
  return groups
}

function addLines(groups: ReadonlyMap<string, readonly string[]>): string[] {
  return [...groups].flatMap(([set, elements]) => elementLines('add', set, elements))
}

function elementLines(verb: 'add' | 'delete', set: string, elements: readonly string[]): string[] {
  const lines: string[] = []
  for (let i = 0; i < elements.length; i += ELEMENTS_PER_LINE) {
    const some = elements.slice(i, i + ELEMENTS_PER_LINE).join(', ')
    lines.push(`${verb} element inet ${NFT_TABLE} ${set} { ${some} }`)
  }
  return lines
}

/** What makes a set, and the rule that looks in it. */
function setLines(set: string): string[] {
  const [family, prefix] = set.split('_')
  const bytes = family === 'ipv4' ? 4 : 16
  const source = family === 'ipv4' ? 'ip saddr' : 'ip6 saddr'
  const [mask, short] = cidrFromBytes({ address: new Uint8Array(bytes).fill(0xff), prefix: Number(prefix) })!.split('/')
  return [
    `add set inet ${NFT_TABLE} ${set} { type ${family}_addr; flags timeout; }`,
    `add rule inet ${NFT_TABLE} incoming ${source}${short === undefined ? '' : ` & ${mask}`} @${set} goto refuse`
  ]
}
