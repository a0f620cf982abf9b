/**
 * Proof of enforcement: a ban that fail2ban lists is not yet a blocked address, for an action that fails stays a line in
 * a log. So the firewall itself is asked: nftables, iptables in both its forms, and ipset.
 */
import { execFile } from 'node:child_process'
import type { Cidr } from '../core/cidr.ts'
import { ok, refuse, type Result } from '../core/result.ts'
import { parseIpsets, parseIptables } from './firewall-iptables.ts'
import { parseNft } from './firewall-nft.ts'
import { isBlocked, type FirewallRules } from './firewall-walk.ts'

export const ENFORCEMENT_LIMITS = {
  /** Addresses that are looked up; of more, every n-th. */
  subjects: 1000,
  /** Addresses that are named. */
  named: 10,
  /** Milliseconds for one listing. */
  timeoutMs: 30_000,
  /** Bytes of a listing. */
  outputBytes: 128 * 1024 * 1024
} as const

export type FirewallRefusal =
  /** None of the programs is there. */
  | 'no-firewall-program'
  /** We may not ask: it takes root, or CAP_NET_ADMIN. */
  | 'needs-cap-net-admin'
  | 'not-understood'
  | 'failed'

export interface Firewall {
  /** Whether it blocks this address, or all of this CIDR, on some ports at least. */
  blocks(subject: Cidr): boolean
}

export interface Enforcement {
  readonly listed: number
  /** How many of them are blocked; of more than `ENFORCEMENT_LIMITS.subjects` an estimate, but never all if one is open. */
  readonly blocked: number
  /** Some of those that are listed and not blocked. */
  readonly open: readonly Cidr[]
}

/** Asks every firewall program that there is. `prefix`: words before each command. */
export async function readFirewall(prefix: readonly string[] = []): Promise<Result<Firewall, FirewallRefusal>> {
  const [nft, iptables, ip6tables, ipset] = await Promise.all([
    list([...prefix, 'nft', '-j', 'list', 'ruleset']),
    list([...prefix, 'iptables-save', '-t', 'filter']),
    list([...prefix, 'ip6tables-save', '-t', 'filter']),
    list([...prefix, 'ipset', 'save'])
  ])
  const ipsets = parseIpsets(ipset.ok ? ipset.value : '')
  const rules: FirewallRules[] = []
  for (const [listing, parse] of [
    [nft, parseNft],
    [iptables, (text: string) => parseIptables(text, ipsets)],
    [ip6tables, (text: string) => parseIptables(text, ipsets)]
  ] as const) {
    if (!listing.ok) {
      if (listing.reason !== 'no-firewall-program') return listing
      continue
    }
    const parsed = parse(listing.value)
    if (parsed === null) return refuse('not-understood')
    rules.push(parsed)
  }
  if (rules.length === 0) return refuse('no-firewall-program')
  return ok({ blocks: (subject) => rules.some((each) => isBlocked(subject, each)) })
}

/** How many of these bans the firewall enforces. */
export function enforced(subjects: readonly Cidr[], firewall: Firewall): Enforcement {
  const step = Math.max(1, Math.ceil(subjects.length / ENFORCEMENT_LIMITS.subjects))
  const some = subjects.filter((_, index) => index % step === 0)
  const open = some.filter((subject) => !firewall.blocks(subject))
  const missing = Math.ceil((subjects.length * open.length) / Math.max(1, some.length))
  return {
    listed: subjects.length,
    blocked: subjects.length - missing,
    open: open.slice(0, ENFORCEMENT_LIMITS.named)
  }
}

function list(argv: readonly string[]): Promise<Result<string, FirewallRefusal>> {
  const [program = '', ...args] = argv
  const { timeoutMs: timeout, outputBytes: maxBuffer } = ENFORCEMENT_LIMITS
  return new Promise((resolve) => {
    execFile(
      program,
      args,
      { encoding: 'utf8', timeout, maxBuffer, killSignal: 'SIGKILL' },
      (error, stdout, stderr) => {
        resolve(error === null ? ok(stdout) : refuse(reasonOf(error, stderr)))
      }
    )
  })
}

function reasonOf({ code }: { readonly code?: unknown }, said: string): FirewallRefusal {
  if (code === 'ENOENT' || code === 'EACCES' || /No such file or directory/.test(said)) return 'no-firewall-program'
  if (code === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER') return 'not-understood'
  return /Operation not permitted|Permission denied|must be root/.test(said) ? 'needs-cap-net-admin' : 'failed'
}
