/**
 * `friend add|list|remove|trust|pause|resume`: the list in the config, and the daemon told of every change. Without a
 * daemon the file is changed all the same, and takes effect at its start.
 */
import type { FriendView, Reloaded } from '../../control/api.ts'
import { refuse, type Result } from '../../core/result.ts'
import type { FriendEntry } from '../../daemon/config-edit.ts'
import { ask, configPath, readConfig, type Context } from '../context.ts'
import { done, failed, type Failed, type Outcome } from '../outcome.ts'
import { formatTable } from '../table.ts'
import { formatAgo, percent, printable } from '../text.ts'

export const DEFAULT_TRUST = 80

export async function listFriends(context: Context): Promise<Outcome> {
  const friends = await ask<FriendView[]>(context, { method: 'GET', path: '/v1/friends' })
  if (!friends.ok) return friends
  if (friends.value.length === 0) return done([], 'no friends yet: banmesh friend add PEER_ID|MULTIADDR|INVITE')
  const rows = friends.value.map(({ id, name, trust, observe, paused, connected, lastSeen, rttMs, stats }) => [
    name,
    percent(trust),
    [connected ? 'connected' : 'away', observe ? 'observed' : '', paused ? 'paused' : ''].filter(Boolean).join(', '),
    connected ? (rttMs === null ? '-' : `${Math.round(rttMs)} ms`) : formatAgo(lastSeen, context.now()),
    `${stats.reports}/${stats.accepted}/${stats.rejected}`,
    id
  ])
  const header = ['NAME', 'TRUST', 'STATE', 'SEEN', 'REPORTS/ACCEPTED/REJECTED', 'PEER ID']
  return done(friends.value, formatTable([header, ...rows], context.columns))
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
  const saved = await changeConfig(context, (file) => {
    if (findFriends(file, id).length > 0) return refuse('duplicate-friend')
    if (name !== undefined && findFriends(file, name).length > 0) return refuse('duplicate-name')
    return { ok: true, value: edit(file, entry) }
  })
  if (!saved.ok) return saved
  const shown = name === undefined ? id : `${name} (${id})`
  const json = { ...entry, name: name ?? null, observe, paused: false, live: saved.live }
  return done(json, `added ${shown}, trust ${percent(trust)}${when(saved)}`, {
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
  const { findFriends } = await import('../../daemon/config-edit.ts')
  const saved = await changeConfig(context, (file) => {
    const [index, ...more] = findFriends(file, who)
    if (index === undefined) return refuse('no-such-friend')
    return more.length > 0 ? refuse('ambiguous-friend') : { ok: true, value: edit(file, index) }
  })
  if (!saved.ok) return saved
  return done({ friend: who, live: saved.live }, `${verb} ${printable(who)}${when(saved)}`, { notes: saved.notes })
}

type EditRefusal = 'duplicate-friend' | 'duplicate-name' | 'no-such-friend' | 'ambiguous-friend'

interface Saved {
  readonly ok: true
  /** Whether a daemon runs by the changed file. */
  readonly live: boolean
  readonly notes: readonly string[]
}

async function changeConfig(
  context: Context,
  edit: (text: string) => Result<string, EditRefusal>
): Promise<Saved | Failed> {
  const path = await configPath(context)
  if (!path.ok) return path
  const { editConfigFile, lockOf } = await import('../../daemon/config-file.ts')
  const edited = await editConfigFile(path.value, edit)
  if (!edited.ok) {
    switch (edited.reason) {
      case 'would-not-parse': {
        const whole = await readConfig(context)
        return whole.ok
          ? failed(1, edited.reason, `${path.value} was left alone: the change would have broken it`)
          : whole
      }
      case 'locked':
        return failed(
          1,
          edited.reason,
          `another command is changing ${path.value}`,
          `if none is, remove ${lockOf(path.value)}`
        )
      case 'unreadable':
        return failed(2, edited.reason, `${path.value} can't be read`)
      case 'not-writable':
        return failed(
          1,
          edited.reason,
          `${path.value} can't be replaced`,
          'the command has to own the file, or be root'
        )
      case 'duplicate-friend':
        return failed(
          4,
          edited.reason,
          'that peer ID is a friend already',
          'banmesh friend trust ID PERCENT changes its trust'
        )
      case 'duplicate-name':
        return failed(4, edited.reason, 'another friend has that name already')
      case 'no-such-friend':
        return failed(
          1,
          edited.reason,
          'there is no friend with that peer ID or name',
          'banmesh friend list shows them'
        )
      case 'ambiguous-friend':
        return failed(2, edited.reason, 'several friends have that name', 'name the peer ID')
    }
  }
  const reloaded = await ask<Reloaded>(context, { method: 'POST', path: '/v1/reload' })
  if (reloaded.ok) {
    const { needsRestart } = reloaded.value
    const note = `banmesh: warning: changed as well, and waiting for a restart of the daemon: ${needsRestart.join(', ')}`
    return { ok: true, live: true, notes: needsRestart.length > 0 ? [note] : [] }
  }
  if (reloaded.reason === 'unreachable') return { ok: true, live: false, notes: [] }
  return {
    ...reloaded,
    messages: [`${path.value} is changed, but the daemon has not taken it over:`, ...reloaded.messages]
  }
}

function when({ live }: Saved): string {
  return live ? '' : '; it takes effect when the daemon starts'
}
