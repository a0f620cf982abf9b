/** `status`: how the daemon is. */
import type { HandoffView, Status, SyncView } from '../../control/api.ts'
import { ask, type Context } from '../context.ts'
import { done, type Outcome } from '../outcome.ts'
import { formatSpan, printable } from '../text.ts'

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
    sync,
    refused
  } = answer.value
  const lines: (readonly [string, string])[] = [
    ['peer ID', peerId],
    ['network', network],
    ['version', `${version}, up ${formatSpan(uptimeSeconds)}`],
    ['mode', paused ? `${mode}, paused` : mode],
    ...listen.map((address, index) => [index === 0 ? 'listening' : '', address] as const),
    ['friends', `${friends.connected} of ${friends.total} connected`],
    ['DHT', dht.enabled ? `${dht.peers} peers` : 'off'],
    ['ledger', `${answer.value.reports} reports with ${answer.value.claims} claims`],
    ['verdicts', `${verdicts.accepted} banned, ${verdicts.held} held`],
    ['hand-off', [describe('log', handoff.log), describe('fail2ban', handoff.fail2ban)].join('; ')],
    ...sync.map((view, index) => [index === 0 ? 'sync' : '', progress(view)] as const),
    ...Object.entries(refused).map(
      ([reason, count], index) => [index === 0 ? 'refused' : '', `${count} ${reason}`] as const
    ),
    ['last error', answer.value.lastError ?? 'none']
  ]
  return done(answer.value, lines.map(([name, value]) => `${name.padEnd(11)}${printable(value)}`).join('\n'))
}

function progress({ friend, sent, toSend, received, toReceive }: SyncView): string {
  return `${friend}: received ${received} of ${toReceive} reports, sent ${sent} of ${toSend}`
}

function describe(name: string, handoff: HandoffView | null): string {
  if (handoff === null) return `${name} off`
  const { pending, lastError } = handoff
  return `${name} ${pending === 0 ? 'up to date' : `${pending} waiting`}${lastError === null ? '' : ` (${lastError})`}`
}
