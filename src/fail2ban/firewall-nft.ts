/** What `nft -j list ruleset` says, as rules for firewall-walk.ts. */
import { cidrToBytes, parseCidr } from '../core/cidr.ts'
import { createAddressSet, type AddressSet, type FirewallRule, type FirewallRules } from './firewall-walk.ts'

type Json = Readonly<Record<string, unknown>>

/** Hooks through which what comes in from outside has to go. */
const HOOKS = new Set(['prerouting', 'input', 'ingress'])
/** Statements that neither ask nor decide. */
const NEUTRAL = new Set(['counter', 'log', 'meter', 'mangle', 'notrack'])

/** Null if it is not understood. */
export function parseNft(json: string): FirewallRules | null {
  const items = itemsOf(json)
  if (items === null) return null
  const sets = new Map<string, readonly unknown[]>()
  const chains = new Map<string, FirewallRule[]>()
  const entries: string[] = []
  for (const { set, chain } of items) {
    if (isRecord(set)) sets.set(keyOf(set, set['name']), Array.isArray(set['elem']) ? set['elem'] : [])
    if (!isRecord(chain)) continue
    chains.set(keyOf(chain, chain['name']), [])
    if (chain['type'] === 'filter' && HOOKS.has(String(chain['hook']))) entries.push(keyOf(chain, chain['name']))
  }
  for (const { rule } of items) {
    if (!isRecord(rule) || !Array.isArray(rule['expr'])) continue
    chains.get(keyOf(rule, rule['chain']))?.push(readRule(rule, rule['expr'].filter(isRecord), sets))
  }
  return { chains, entries }
}

function readRule(
  rule: Json,
  statements: readonly Json[],
  sets: ReadonlyMap<string, readonly unknown[]>
): FirewallRule {
  let sources: AddressSet | null = null
  let narrowed = false
  let does: FirewallRule['does'] = 'nothing'
  for (const statement of statements) {
    const [[kind, detail] = ['', null]] = Object.entries(statement)
    const about = kind === 'match' && isRecord(detail) ? readSource(rule, detail, sets) : null
    if (about !== null) sources = about
    else if (kind === 'drop' || kind === 'reject') does = 'block'
    else if (kind === 'accept' || kind === 'return') does = kind
    else if ((kind === 'jump' || kind === 'goto') && isRecord(detail)) does = { chain: keyOf(rule, detail['target']) }
    else if (kind === 'xt' && isRecord(detail) && detail['type'] === 'target') {
      does = detail['name'] === 'REJECT' || detail['name'] === 'DROP' ? 'block' : does
    } else if (!NEUTRAL.has(kind)) narrowed = true
  }
  return { sources, narrowed, does }
}

/** Null if it asks for anything but the source address, or for all sources but some. */
function readSource(rule: Json, match: Json, sets: ReadonlyMap<string, readonly unknown[]>): AddressSet | null {
  const { op, left, right } = match
  if (op !== '==' || !isRecord(left)) return null
  const masked = Array.isArray(left['&']) ? (left['&'] as readonly unknown[]) : null
  const [payload, mask] = masked ?? [left, undefined]
  const field = isRecord(payload) ? payload['payload'] : undefined
  if (!isRecord(field) || field['field'] !== 'saddr') return null
  const prefix = typeof mask === 'string' ? lengthOf(mask) : null
  const named = typeof right === 'string' && right.startsWith('@') ? sets.get(keyOf(rule, right.slice(1))) : undefined
  const listed = isRecord(right) && Array.isArray(right['set']) ? (right['set'] as readonly unknown[]) : [right]
  return readElements(named ?? listed, prefix)
}

function readElements(elements: readonly unknown[], prefix: number | null): AddressSet {
  const texts: string[] = []
  const ranges: (readonly [string, string])[] = []
  for (const each of elements) {
    const inner = isRecord(each) && isRecord(each['elem']) ? each['elem']['val'] : each
    if (typeof inner === 'string') texts.push(prefix === null ? inner : `${inner}/${prefix}`)
    else if (isRecord(inner) && isRecord(inner['prefix'])) {
      texts.push(`${String(inner['prefix']['addr'])}/${String(inner['prefix']['len'])}`)
    } else if (isRecord(inner) && Array.isArray(inner['range'])) {
      ranges.push([String(inner['range'][0]), String(inner['range'][1])])
    }
  }
  return createAddressSet(texts, ranges)
}

/** The length of a prefix, of its mask. */
function lengthOf(mask: string): number {
  const cidr = parseCidr(mask)
  if (cidr === null) return 0
  return [...cidrToBytes(cidr).address].reduce((sum, byte) => sum + byte.toString(2).replaceAll('0', '').length, 0)
}

function keyOf(item: Json, name: unknown): string {
  return [item['family'], item['table'], name].map(String).join(' ')
}

function itemsOf(json: string): Json[] | null {
  try {
    const { nftables } = JSON.parse(json) as { nftables?: unknown }
    return Array.isArray(nftables) && nftables.every(isRecord) ? nftables : null
  } catch {
    return null
  }
}

function isRecord(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
