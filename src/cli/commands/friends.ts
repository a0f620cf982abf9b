/**
 * `friend add|list|remove|trust|pause|resume`: the list in the config, and the daemon told of every change. Without a
 * daemon the file is changed all the same, and takes effect at its start.
 */
import type { FriendView } from '../../control/api.ts'
import { refuse } from '../../core/result.ts'
import type { FriendEntry } from '../../daemon/config-edit.ts'
import { changeConfig, when } from '../config-change.ts'
import { ask, readConfig, type Context } from '../context.ts'
import { done, failed, type Failed, type Outcome } from '../outcome.ts'
import { formatTable } from '../table.ts'
import { formatAgo, percent, printable } from '../text.ts'

export const DEFAULT_TRUST = 80

/** Percent between a trust and what the record speaks for that are worth a line. */
const SUGGESTION_GAP = 10

export async function listFriends(context: Context): Promise<Outcome> {
  const friends = await ask<FriendView[]>(context, { method: 'GET', path: '/v1/friends' })
  if (!friends.ok) return friends
  if (friends.value.length === 0) return done([], 'no friends yet: banmesh friend add PEER_ID|MULTIADDR|INVITE')
  const rows = friends.value.map(({ id, name, trust, connected, lastSeen, rttMs, ...record }) => [
    name,
    percent(trust),
    describeState({ connected, ...record }),
    connected ? (rttMs === null ? '-' : `${Math.round(rttMs)} ms`) : formatAgo(lastSeen, context.now()),
    `${record.stats.reports}/${record.stats.accepted}/${record.stats.rejected}`,
    `${record.stats.confirmed}/${record.stats.disputed}`,
    id
  ])
  const header = ['NAME', 'TRUST', 'STATE', 'SEEN', 'REPORTS/ACCEPTED/REJECTED', 'CONFIRMED/DISPUTED', 'PEER ID']
  const advice = friends.value.flatMap(suggestion)
  return done(friends.value, [formatTable([header, ...rows], context.columns), ...advice].join('\n'))
}

function describeState({
  connected,
  waiting,
  observe,
  paused
}: Pick<FriendView, 'connected' | 'waiting' | 'observe' | 'paused'>): string {
  const state = connected ? 'connected' : waiting ? 'waiting for them to add us' : 'away'
  return [state, observe ? 'observed' : '', paused ? 'paused' : ''].filter(Boolean).join(', ')
}

/** Nothing is said about a trust that is near what the record speaks for. */
function suggestion({ name, trust, suggestedTrust, stats }: FriendView): string[] {
  if (suggestedTrust === null || Math.abs(suggestedTrust - trust) < SUGGESTION_GAP) return []
  const record = `${stats.confirmed} confirmed, ${stats.disputed} disputed`
  return [`the record of ${printable(name)} (${record}) speaks for a trust of ${percent(suggestedTrust)}`]
}

export interface AddOptions {
  readonly name?: string
  /** Percent. */
  readonly trust?: number
  readonly observe?: boolean
}

export async function addFriend(context: Context, text: string, options: AddOptions): Promise<Outcome> {
  const { parseFriendReference } = await import('../../daemon/invite.ts')
  const reference = parseFriendReference(text)
  if (!reference.ok) {
    const hint =
      'a friend is a peer ID (12D3KooW…), a multiaddr that ends with one, or the line that banmesh invite prints'
    return failed(2, reference.reason, `${printable(text).slice(0, 80)} does not name a friend`, hint)
  }
  const { id, addresses, network } = reference.value
  const { name, trust = DEFAULT_TRUST, observe = false } = options
  const { parseName } = await import('../../daemon/config-values.ts')
  const checkedName = name === undefined ? null : parseName(name)
  if (checkedName !== null && 'wrong' in checkedName) return failed(2, 'bad-name', `--name ${checkedName.wrong}`)
  const entry: FriendEntry = {
    id,
    ...(name === undefined ? {} : { name }),
    trust,
    addresses,
    ...(observe ? { observe } : {})
  }
  const read = await readConfig(context)
  if (!read.ok) return read
  const { config } = read.value
  if (network !== null && network !== config.network) {
    const hint = 'nodes of different networks never talk: one side has to change network: in its config'
    return failed(
      4,
      'other-network',
      `the invite is for the network ${network}, and this node is in ${config.network}`,
      hint
    )
  }
  const { identityFile, loadIdentity } = await import('../../daemon/identity.ts')
  const own = loadIdentity(identityFile(config.dataDir))
  if (own.ok && own.value.peerId === id) return failed(4, 'own-id', 'that is this node itself')

  const { addFriend: edit, findFriends } = await import('../../daemon/config-edit.ts')
  const saved = await changeConfig(
    context,
    (file) => {
      if (findFriends(file, id).length > 0) return refuse('duplicate-friend')
      if (name !== undefined && findFriends(file, name).length > 0) return refuse('duplicate-name')
      return { ok: true, value: edit(file, entry) }
    },
    explain
  )
  if (!saved.ok) return saved
  const shown = name === undefined ? id : `${name} (${id})`
  const { fingerprint } = await import('../../daemon/fingerprint.ts')
  const compare = fingerprint(id)
  const json = { ...entry, name: name ?? null, observe, paused: false, live: saved.live, fingerprint: compare }
  const lines = [
    `added ${shown}, trust ${percent(trust)}${when(saved)}`,
    `fingerprint: ${compare}`,
    'compare it by voice with what banmesh id shows there; your friend has to add this node too'
  ]
  return done(json, lines.join('\n'), {
    notes: [...read.value.notes, ...saved.notes]
  })
}

export async function removeFriend(context: Context, who: string): Promise<Outcome> {
  const { removeFriend: edit } = await import('../../daemon/config-edit.ts')
  return editFriend(context, who, edit, 'removed')
}

/** `trust` in percent. */
export async function trustFriend(context: Context, who: string, trust: number): Promise<Outcome> {
  const { changeFriend: edit } = await import('../../daemon/config-edit.ts')
  return editFriend(context, who, (file, index) => edit(file, index, 'trust', trust), `trust is ${percent(trust)} now:`)
}

export async function pauseFriend(context: Context, who: string, paused: boolean): Promise<Outcome> {
  const { changeFriend: edit } = await import('../../daemon/config-edit.ts')
  return editFriend(context, who, (file, index) => edit(file, index, 'paused', paused), paused ? 'paused' : 'resumed')
}

async function editFriend(
  context: Context,
  who: string,
  edit: (file: string, index: number) => string,
  verb: string
): Promise<Outcome> {
  const { friendEdit } = await import('../../daemon/config-changes.ts')
  const saved = await changeConfig(context, friendEdit(who, edit), explain)
  if (!saved.ok) return saved
  return done({ friend: who, live: saved.live }, `${verb} ${printable(who)}${when(saved)}`, { notes: saved.notes })
}

/** Why a friend can't be added or changed. */
type EditRefusal = 'duplicate-friend' | 'duplicate-name' | 'no-such-friend' | 'ambiguous-friend'

function explain(reason: EditRefusal): Failed {
  switch (reason) {
    case 'duplicate-friend':
      return failed(4, reason, 'that peer ID is a friend already', 'banmesh friend trust ID PERCENT changes its trust')
    case 'duplicate-name':
      return failed(4, reason, 'another friend has that name already')
    case 'no-such-friend':
      return failed(1, reason, 'there is no friend with that peer ID or name', 'banmesh friend list shows them')
    case 'ambiguous-friend':
      return failed(2, reason, 'several friends have that name', 'name the peer ID')
  }
}
