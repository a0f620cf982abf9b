/** What `iptables-save`, `ip6tables-save` and `ipset save` say, as rules for firewall-walk.ts. */
import { createAddressSet, type AddressSet, type FirewallRule, type FirewallRules } from './firewall-walk.ts'

/** Targets that end a connection. */
const BLOCKS = new Set(['DROP', 'REJECT', 'TARPIT'])

/** `saved`: of one family. `ipsets`: from `parseIpsets`. Null if it is not understood. */
export function parseIptables(saved: string, ipsets: ReadonlyMap<string, AddressSet>): FirewallRules | null {
  const chains = new Map<string, FirewallRule[]>()
  let table = ''
  for (const line of saved.split('\n')) {
    if (line.startsWith('*')) table = line.slice(1)
    if (table !== 'filter') continue
    const [, made] = /^:(\S+) /.exec(line) ?? []
    if (made !== undefined) chains.set(made, [])
    if (!line.startsWith('-A ')) continue
    const words = wordsOf(line)
    const rules = chains.get(words[1]!)
    if (rules === undefined) return null
    rules.push(readRule(words.slice(2), ipsets))
  }
  return { chains, entries: ['INPUT'] }
}

/** `add f2b-sshd 203.0.113.7 timeout 600` */
export function parseIpsets(saved: string): ReadonlyMap<string, AddressSet> {
  const members = new Map<string, string[]>()
  for (const line of saved.split('\n')) {
    const [verb, name, entry] = line.split(' ')
    if (verb === 'create' && name !== undefined) members.set(name, [])
    else if (verb === 'add' && name !== undefined && entry !== undefined) members.get(name)?.push(entry)
  }
  return new Map([...members].map(([name, entries]) => [name, createAddressSet(entries)]))
}

function readRule(words: readonly string[], ipsets: ReadonlyMap<string, AddressSet>): FirewallRule {
  let sources: AddressSet | null = null
  let narrowed = false
  let does: FirewallRule['does'] = 'nothing'
  for (let i = 0; i < words.length; i++) {
    const [word, value = '', third] = words.slice(i, i + 3)
    const negated = words[i - 1] === '!'
    if (word === '-j' || word === '-g') {
      does = targetOf(value)
      break
    }
    if (negated) narrowed = true
    else if (word === '-s') sources = createAddressSet([value])
    else if (word === '--match-set' && third === 'src') sources = ipsets.get(value) ?? createAddressSet([])
    else if (word === '--comment' || word === '-m') i++
    else if (word?.startsWith('-') && word !== '--comment') narrowed = true
  }
  return { sources, narrowed, does }
}

function targetOf(name: string): FirewallRule['does'] {
  if (BLOCKS.has(name)) return 'block'
  if (name === 'ACCEPT') return 'accept'
  if (name === 'RETURN') return 'return'
  // LOG, MARK and others are chains that nobody has made.
  return { chain: name }
}

/** Words as iptables-save writes them: in double quotes where they have blanks. */
function wordsOf(line: string): string[] {
  return [...line.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '')
}
