/** What the running daemon says about itself: addresses, friends, clock, hand-offs, alerts. */
import type { FriendView, HandoffView, Status } from '../../control/api.ts'
import type { Config } from '../../daemon/config.ts'
import { printable } from '../text.ts'
import { fine, problem, quoted, warning, type Check } from './check.ts'

export function checkListening(status: Status, { web }: Config): Check[] {
  const checks: Check[] = []
  if (status.listen.length === 0) {
    checks.push(problem('ports', 'the daemon listens nowhere', 'name an address with listen:, and restart it'))
  } else checks.push(fine('ports', `listening on ${status.listen.length} addresses`))
  if (web !== null && status.web === null) {
    const { host, port } = web.listen
    const fix = `ss -ltnp "sport = :${port}" shows who has the port: end that, or choose another with web.listen:, and restart banmesh`
    checks.push(problem('ports', `the dashboard can't listen on ${host}, port ${port}`, fix))
  }
  return checks
}

/** Reports from the future are refused: the best sign, without asking anybody else, that a clock is off. */
export function checkSkew({ refused }: Status): Check {
  const future = refused['future'] ?? 0
  if (future === 0) return fine('clock', 'no friend seems to be ahead of it')
  const message = `${future} reports came from the future: this clock is behind, or that of a friend is ahead`
  return problem('clock', message, 'let both machines ask a time server', 'timedatectl set-ntp true')
}

export function checkMode({ mode, paused, flushed }: Status): Check[] {
  const checks: Check[] = []
  if (mode === 'observe') {
    checks.push(warning('mode', 'this node observes: nothing is banned', 'set policy.mode: enforce in the config'))
  }
  if (paused) checks.push(warning('mode', 'paused: nothing new is handed over', 'end the pause', 'banmesh resume'))
  if (flushed > 0) {
    checks.push(warning('mode', `${flushed} bans of the mesh are flushed`, 'bring them back', 'banmesh resume'))
  }
  return checks
}

export function checkFriends(friends: readonly FriendView[]): Check[] {
  if (friends.length === 0) {
    const fix = 'give a friend the line that banmesh invite prints, and add the line that the friend gives you'
    return [warning('friends', 'there are none yet', fix)]
  }
  const listening = friends.filter(({ paused }) => !paused)
  const away = listening.filter(({ connected }) => !connected)
  const checks = away.map((friend) => awayCheck(friend, away.length === listening.length))
  for (const { name, paused } of friends) {
    if (paused) {
      const shown = printable(name)
      checks.push(warning('friends', `${shown} is paused`, 'end the pause', `banmesh friend resume ${quoted(shown)}`))
    }
  }
  if (checks.length === 0) checks.push(fine('friends', `all ${friends.length} are connected`))
  return checks
}

function awayCheck({ name, addresses, waiting }: FriendView, isNobodyThere: boolean): Check {
  const shown = printable(name)
  const state = isNobodyThere ? problem : warning
  if (waiting) {
    const fix = `send ${shown} the line that banmesh invite prints: both sides have to add each other`
    return state('friends', `${shown} answers, but has not added this node`, fix)
  }
  if (addresses.length === 0) {
    const fix = `ask ${shown} for a new invite, and add it anew: the DHT does not know where it is either`
    return state('friends', `${shown} is away, and no address is known`, fix)
  }
  const fix = `is banmesh running there, and its port open to us? both sides have to add each other`
  return state('friends', `${shown} does not answer on ${addresses.map(printable).join(', ')}`, fix)
}

/** What mends a hand-off, by the reason that it gives. */
const HANDOFF_FIXES: Readonly<Record<string, string>> = {
  'disk-full': 'make room on the disk',
  'not-writable': "give the daemon's user the right to write there, or name another path with handoff.log.path:",
  'no-client': 'install fail2ban, or name its client with handoff.fail2ban.client:',
  unreachable: 'start fail2ban: systemctl start fail2ban',
  denied: "fail2ban's socket is root's: run the daemon as root, or use the watched log only",
  'unknown-jail': 'fail2ban has no such jail: banmesh install, then fail2ban-client reload',
  'needs-cap-net-admin':
    'give the daemon CAP_NET_ADMIN: systemctl edit banmesh, and there AmbientCapabilities=CAP_NET_ADMIN'
}

export function checkHandoffs({ handoff }: Status): Check[] {
  const on = Object.entries<HandoffView | null>({ ...handoff }).flatMap(([target, view]) =>
    view === null ? [] : [{ target, ...view }]
  )
  if (on.length === 0) {
    return [warning('hand-off', 'all hand-offs are off: nothing is banned', 'turn one on with handoff: in the config')]
  }
  return on.map(({ target, pending, lastError }) => {
    if (lastError === null)
      return fine('hand-off', `${target} is up to date${pending > 0 ? `, ${pending} waiting` : ''}`)
    const fix = HANDOFF_FIXES[lastError] ?? "the daemon's log says more"
    return problem('hand-off', `${target} fails (${printable(lastError)}), ${pending} changes wait`, fix)
  })
}

/** Of our own table; fail2ban's jails doctor asks itself. */
export function checkEnforcement({ enforcement }: Status): Check[] {
  return enforcement
    .filter(({ jail, listed, enforced }) => jail === 'nftables' && enforced < listed)
    .map(({ listed, enforced }) => {
      const message = `${listed - enforced} of ${listed} bans are not in the table of banmesh`
      const fix = 'the daemon makes them again within five minutes, or at once when it is restarted'
      return problem('enforced', message, fix, 'systemctl restart banmesh')
    })
}

export function checkAlerts({ alerts }: Status): Check[] {
  return alerts.map(({ subject, reason }) =>
    warning(
      'alerts',
      `somebody out there bans ${subject}, an address of ${reason === 'own-address' ? 'this node' : 'a friend'}`,
      `find out why: who says so is in the output of banmesh why ${subject}`
    )
  )
}
