/** `status`: how the daemon is. */
import type {
  Alert,
  EnforcementView,
  HandoffView,
  HandoffViews,
  KnockView,
  Status,
  SyncView
} from '../../control/api.ts'
import { ask, type Context } from '../context.ts'
import { done, type Outcome } from '../outcome.ts'
import { formatAgo, formatSpan, printable } from '../text.ts'

export async function status(context: Context): Promise<Outcome> {
  const answer = await ask<Status>(context, { method: 'GET', path: '/v1/status' })
  if (!answer.ok) return answer
  const {
    peerId,
    version,
    network,
    uptimeSeconds,
    mode,
    paused,
    listen,
    friends,
    dht,
    verdicts,
    handoff,
    enforcement,
    flushed,
    alerts,
    sync,
    refused,
    knocks,
    reachability
  } = answer.value
  const lines: (readonly [string, string])[] = [
    ['peer ID', peerId],
    ['network', network],
    ['version', `${version}, up ${formatSpan(uptimeSeconds)}`],
    ['mode', paused ? `${mode}, paused` : mode],
    ...listen.map((address, index) => [index === 0 ? 'listening' : '', address] as const),
    ['friends', `${friends.connected} of ${friends.total} connected`],
    ...(reachability === 'behind-nat'
      ? [['reachable', 'not directly: a router is in the way; friends relay, if they can'] as const]
      : []),
    ...knocks.map((knock, index) => [index === 0 ? 'knocking' : '', describeKnock(knock, context.now())] as const),
    ['DHT', dht.enabled ? `${dht.peers} peers` : 'off'],
    ...(answer.value.web === null
      ? []
      : [['dashboard', `${answer.value.web.url} (token: ${answer.value.web.tokenFile})`] as const]),
    ['ledger', `${answer.value.reports} reports with ${answer.value.claims} claims`],
    ['verdicts', `${verdicts.accepted} banned, ${verdicts.held} held`],
    ['hand-off', describeHandoffs(handoff)],
    ...(enforcement.length > 0
      ? [['firewall', `blocks ${enforcement.map(describeEnforcement).join(', ')}`] as const]
      : []),
    ...(flushed > 0 ? [['flushed', `${flushed} (until banmesh resume, or a new verdict)`] as const] : []),
    ...alerts.map((alert) => ['ALERT', describeAlert(alert)] as const),
    ...sync.map((view, index) => [index === 0 ? 'sync' : '', progress(view)] as const),
    ...Object.entries(refused).map(
      ([reason, count], index) => [index === 0 ? 'refused' : '', `${count} ${reason}`] as const
    ),
    ['last error', answer.value.lastError ?? 'none']
  ]
  return done(answer.value, lines.map(([name, value]) => `${name.padEnd(11)}${printable(value)}`).join('\n'))
}

function describeAlert({ subject, reason, by }: Alert): string {
  const whose = reason === 'own-address' ? 'this node' : 'a friend'
  const names = by.map(({ origin, name, jail, via }) => {
    const told = via.includes(name ?? origin) ? '' : `, told by ${via.join(' and ')}`
    return `${name ?? origin} (${jail}${told})`
  })
  return `${subject}, an address of ${whose}, is banned by ${names.join(', ') || 'nobody any more'}`
}

function describeKnock({ id, address, lastSeen, count }: KnockView, now: number): string {
  const times = count === 1 ? '' : `, ${count} times`
  return `from ${address}, ${formatAgo(lastSeen, now)}${times}; if it is a friend: banmesh friend add ${id}`
}

function progress({ friend, sent, toSend, received, toReceive }: SyncView): string {
  return `${friend}: received ${received} of ${toReceive} reports, sent ${sent} of ${toSend}`
}

function describeEnforcement({ jail, listed, enforced }: EnforcementView, index: number): string {
  return index === 0 ? `${enforced} of the ${listed} bans in ${jail}` : `${enforced} of ${listed} in ${jail}`
}

/** Those that everybody has, and of the others those that are on. */
function describeHandoffs({ log, fail2ban, nftables, exec }: HandoffViews): string {
  const more = [...(nftables ? [describe('nftables', nftables)] : []), ...(exec ? [describe('exec', exec)] : [])]
  return [describe('log', log), describe('fail2ban', fail2ban), ...more].join('; ')
}

function describe(name: string, handoff: HandoffView | null): string {
  if (handoff === null) return `${name} off`
  const { pending, lastError } = handoff
  return `${name} ${pending === 0 ? 'up to date' : `${pending} waiting`}${lastError === null ? '' : ` (${lastError})`}`
}
