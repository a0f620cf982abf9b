/**
 * Comparing what fail2ban bans in the mesh jail with what we want: the rules, without fail2ban.
 *
 * | wanted | handed over by us | listed | what it is                                         | done              |
 * | ------ | ----------------- | ------ | -------------------------------------------------- | ----------------- |
 * | yes    | no                | any    | new, or we were restarted                          | ban               |
 * | yes    | yes               | yes    | as it should be                                    | ban again in time |
 * | yes    | yes               | no     | lost, or lifted by somebody: see below             | ban, or veto      |
 * | no     | yes               | yes    | the verdict has ended                              | unban             |
 * | no     | yes               | no     | ended as well                                      | forget            |
 * | no     | lifted of late    | yes    | fail2ban restored it when it was lifted already    | unban             |
 * | no     | no                | yes    | somebody's own ban in our jail                     | nothing           |
 *
 * **A veto** is an unban that somebody made in the mesh jail. fail2ban does not say why a ban is gone, so all of this
 * must hold, and else it is banned again:
 * 1. We handed it over, and fail2ban has answered every query: a failed one says nothing.
 * 2. The jail has lived on since the last comparison (jail-life.ts): a restart loses bans that were made longer, and all
 *    of them if the database is gone. In a new life every ban is made again, for those that were restored may end early.
 * 3. The ban's own end has not come yet, as we reckon it from our clock and the jail's ban time. The times in the list
 *    are not used: they are in fail2ban's time zone.
 * 4. Not more than `VETO_LIMIT` at once. `unban --all` is no judgement about every single address; whoever means the mesh
 *    says `banmesh flush` or `banmesh pause`.
 * 5. We did not lift a CIDR since the last comparison: that may take along the addresses in it.
 */
import { BlockList } from 'node:net'
import { overlaps, type Cidr } from '../core/cidr.ts'
import type { Wanted } from './outbox.ts'

/** Unbans between two comparisons that are taken for somebody's judgement on each of these addresses. */
export const VETO_LIMIT = 20

/**
 * For how many seconds a ban that we lifted is lifted again if it is back. fail2ban takes its bans from the database one
 * by one after its start, at the speed of its firewall action, and an unban before a ban's turn comes is in vain.
 */
export const LIFTED_SECONDS = 600

/**
 * Seconds by which a missing ban must be away from its end: fail2ban's clock readings and ours are not the same moment. With a
 * short ban time an eighth of it, so that an unban is still seen as one until the ban is renewed (at half to three quarters).
 */
const END_SLACK_SECONDS = 5

export interface Comparison<Subject extends Cidr> {
  /** To be banned, or banned again so that the ban ends later; both are the same command. */
  readonly ban: readonly Subject[]
  readonly unban: readonly Cidr[]
  readonly veto: readonly Subject[]
  /** Of `ban`: how many fail2ban had lost. */
  readonly restored: number
  readonly forget: readonly Cidr[]
}

export interface CompareInput {
  readonly wanted: Iterable<Wanted>
  /** What we handed over, and when (Unix seconds). */
  readonly handed: ReadonlyMap<Cidr, number>
  /** What we lifted, within the last `LIFTED_SECONDS`. */
  readonly lifted: ReadonlySet<Cidr>
  readonly listed: ReadonlySet<Cidr>
  /** The jail's `ignoreip`, which a ban by command does not obey by itself. */
  readonly ignored: readonly Cidr[]
  /** `unknown` if there was no comparison before, or a CIDR was lifted since. */
  readonly life: 'same' | 'new' | 'unknown'
  /** The jail's ban time: the shorter one, if it was changed since the last comparison. */
  readonly banTimeSeconds: number
  /** Unix seconds. */
  readonly nowSeconds: number
}

export function compare(input: CompareInput): Comparison<Wanted['subject']> {
  const { handed, listed, life, banTimeSeconds, nowSeconds } = input
  const isIgnored = ignoring(input.ignored)
  const slackSeconds = Math.min(END_SLACK_SECONDS, banTimeSeconds / 8)
  const wanted = new Set<Cidr>()
  const ban: Wanted['subject'][] = []
  const missing: Wanted['subject'][] = []
  const undone: Wanted['subject'][] = []
  for (const { subject, until } of input.wanted) {
    if (until <= nowSeconds || isIgnored(subject)) continue
    wanted.add(subject)
    const handedAt = handed.get(subject)
    const endsAt = (handedAt ?? 0) + banTimeSeconds
    if (handedAt !== undefined && !listed.has(subject)) {
      missing.push(subject)
      if (life === 'same' && nowSeconds < endsAt - slackSeconds) undone.push(subject)
    } else if (handedAt === undefined || life === 'new' || isDue(endsAt, until, banTimeSeconds, nowSeconds)) {
      ban.push(subject)
    }
  }
  const veto = undone.length <= VETO_LIMIT ? undone : []
  const lost = missing.filter((subject) => !veto.includes(subject))
  const unwanted = [...handed.keys(), ...input.lifted].filter((subject) => !wanted.has(subject))
  return {
    ban: [...lost, ...ban],
    restored: lost.length,
    veto,
    unban: unwanted.filter((subject) => listed.has(subject)),
    forget: unwanted.filter((subject) => !listed.has(subject))
  }
}

/** Whether a ban should be made longer now: in the second half of its time, if the verdict lasts beyond. */
function isDue(endsAt: number, until: number, banTimeSeconds: number, nowSeconds: number): boolean {
  return until > endsAt && endsAt - nowSeconds <= banTimeSeconds / 2
}

/** Whether the list has some address of the subject. */
export function ignoring(ignored: readonly Cidr[]): (subject: Cidr) => boolean {
  // For many single addresses, and fast.
  const addresses = new BlockList()
  for (const cidr of ignored) {
    const [host = '', prefix] = cidr.split('/')
    if (prefix === undefined) addresses.addAddress(host, family(host))
    else addresses.addSubnet(host, Number(prefix), family(host))
  }
  return (subject) =>
    subject.includes('/') ? ignored.some((cidr) => overlaps(cidr, subject)) : addresses.check(subject, family(subject))
}

function family(address: string): 'ipv4' | 'ipv6' {
  return address.includes(':') ? 'ipv6' : 'ipv4'
}
