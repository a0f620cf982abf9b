/**
 * Whether the firewall blocks what fail2ban lists: a ban whose action failed is listed all the same. Known are fail2ban's
 * nftables and iptables actions, by the names that they give their sets and chains.
 */
import { parseCidr, type Cidr } from '../../core/cidr.ts'
import { runCommand } from './command.ts'

/** The addresses that a firewall has for a jail, or why that can't be told. */
export type Blocked =
  | { readonly ok: true; readonly addresses: ReadonlySet<Cidr>; readonly isHooked: boolean }
  | { readonly ok: false; readonly reason: string }

/** `actions`: the names that fail2ban has for the jail's actions. */
export async function blockedBy(jail: string, actions: readonly string[]): Promise<Blocked> {
  if (actions.some((action) => action.startsWith('nftables'))) return blockedByNft(jail)
  if (actions.some((action) => /^iptables(?!-ipset)/.test(action))) return blockedByIptables(jail)
  return { ok: false, reason: `the action ${actions.join(', ') || 'none'} is not known to doctor` }
}

async function blockedByNft(jail: string): Promise<Blocked> {
  const { code, stdout } = await runCommand('nft', ['-j', 'list', 'ruleset'])
  return code === 0 ? parseNft(stdout, jail) : { ok: false, reason: 'nft list ruleset fails: be root' }
}

interface NftObject {
  readonly set?: { readonly name: string; readonly elem?: readonly unknown[] }
  readonly rule?: { readonly expr: readonly unknown[] }
}

/** The ruleset as `nft -j list ruleset` prints it. */
export function parseNft(json: string, jail: string): Blocked {
  let objects: readonly NftObject[]
  try {
    objects = (JSON.parse(json) as { nftables: readonly NftObject[] }).nftables
  } catch {
    return { ok: false, reason: 'the output of nft is not understood' }
  }
  const names = [`addr-set-${jail}`, `addr6-set-${jail}`]
  const sets = objects.flatMap(({ set }) => (set !== undefined && names.includes(set.name) ? [set] : []))
  const rules = objects.flatMap(({ rule }) => (rule === undefined ? [] : [JSON.stringify(rule.expr)]))
  const isHooked = sets.length > 0 && sets.every(({ name }) => rules.some((rule) => rule.includes(`"@${name}"`)))
  return { ok: true, addresses: new Set(sets.flatMap(({ elem = [] }) => elem.flatMap(elementAddress))), isHooked }
}

/** `"192.0.2.1"`, `{"prefix": {"addr", "len"}}`, or either inside `{"elem": {"val"}}`. */
function elementAddress(element: unknown): Cidr[] {
  if (typeof element === 'string') return [parseCidr(element)].filter((cidr) => cidr !== null)
  const { elem, prefix } = element as {
    elem?: { val: unknown }
    prefix?: { addr: string; len: number }
  }
  if (elem !== undefined) return elementAddress(elem.val)
  return prefix === undefined ? [] : elementAddress(`${prefix.addr}/${prefix.len}`)
}

async function blockedByIptables(jail: string): Promise<Blocked> {
  const outputs = await Promise.all(['iptables', 'ip6tables'].map((program) => runCommand(program, ['-S'])))
  if (outputs.every(({ code }) => code !== 0)) return { ok: false, reason: 'iptables -S fails: be root' }
  return parseIptables(outputs.map(({ stdout }) => stdout).join('\n'), jail)
}

/** The rules as `iptables -S` and `ip6tables -S` print them. */
export function parseIptables(rules: string, jail: string): Blocked {
  const chain = `f2b-${jail}`
  const addresses = new Set<Cidr>()
  let isHooked = false
  for (const line of rules.split('\n')) {
    const words = line.split(' ')
    if (words[0] !== '-A') continue
    const source = words[words.indexOf('-s') + 1]
    if (words[1] === chain && words.includes('-s') && source !== undefined) {
      const cidr = parseCidr(source)
      if (cidr !== null) addresses.add(cidr)
    } else if (words[1] !== chain && words[words.indexOf('-j') + 1] === chain) isHooked = true
  }
  return { ok: true, addresses, isHooked }
}
