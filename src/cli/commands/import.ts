/** `import fail2ban-p2p DIR` and `import banlist FILE`: what other tools know, as far as it can honestly be taken over. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { IMPORT_BATCH, type Imported } from '../../control/api.ts'
import { parseDuration } from '../../core/duration.ts'
import { JAIL_NAME } from '../../core/limits.ts'
import { BANLIST_BYTES, parseBanlist } from '../banlist.ts'
import { ask, readConfig, type Context } from '../context.ts'
import { FRIEND_BYTES, parseOldFriend, type OldFriend } from '../fail2ban-p2p.ts'
import { done, failed, type Outcome } from '../outcome.ts'
import { percent, printable } from '../text.ts'

/** Refused lines that are shown; the summary counts all. */
const SHOWN_REFUSALS = 20
/** Claims without a fail2ban jail of this node behind them. */
const IMPORT_JAIL = 'import'
/** Where a banmesh node listens unless told otherwise. */
const DEFAULT_PORT = 7337

interface Refused {
  /** Null: refused by the daemon. */
  readonly line: number | null
  readonly text: string
  readonly reason: string
}

export async function importBanlist(
  context: Context,
  file: string,
  options: { jail?: string; ttl?: string }
): Promise<Outcome> {
  const jail = options.jail ?? IMPORT_JAIL
  if (!JAIL_NAME.test(jail)) return failed(2, 'bad-jail', '--jail takes a name of 1 to 64 letters, digits, _ . -')
  const read = await readConfig(context)
  if (!read.ok) return read
  const ttl = options.ttl === undefined ? null : parseDuration(options.ttl)
  if (ttl !== null && (!ttl.ok || ttl.value === 0))
    return failed(2, 'bad-ttl', '--ttl takes a duration: 90, 90s, 10m, 12h or 7d')
  const ttlSeconds = ttl?.ok === true ? ttl.value : read.value.config.policy.maxBanTime
  const path = file === '-' ? '/dev/stdin' : resolve(context.cwd, file)
  let content: string
  try {
    if (statSync(path).size > BANLIST_BYTES)
      return failed(1, 'too-large', `${path} is larger than ${BANLIST_BYTES} bytes`, 'split it')
    content = readFileSync(path, 'utf8')
  } catch (error) {
    return failed(
      2,
      'unreadable',
      `${path} can't be read (${(error as NodeJS.ErrnoException).code ?? 'unknown error'})`
    )
  }
  const { bans, refused: junk } = parseBanlist(content, { ttlSeconds, now: context.now() })
  const refused: Refused[] = [...junk]
  let said = 0
  for (let i = 0; i < bans.length; i += IMPORT_BATCH) {
    const batch = bans.slice(i, i + IMPORT_BATCH)
    const imported = await ask<Imported>(context, { method: 'POST', path: '/v1/import', body: { jail, bans: batch } })
    if (!imported.ok) {
      const before = said === 0 ? [] : [`${said} of ${bans.length} bans were imported before this:`]
      return { ...imported, messages: [...before, ...imported.messages] }
    }
    said += imported.value.said
    refused.push(...imported.value.refused.map(({ subject, reason }) => ({ line: null, text: subject, reason })))
    if (bans.length > IMPORT_BATCH) context.say(`${Math.min(i + IMPORT_BATCH, bans.length)} of ${bans.length}`)
  }
  const json = { imported: said, refused: refused.length, reasons: countReasons(refused), refusedLines: refused }
  return done(json, summary(said, refused))
}

function countReasons(refused: readonly Refused[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { reason } of refused) counts[reason] = (counts[reason] ?? 0) + 1
  return counts
}

function summary(said: number, refused: readonly Refused[]): string {
  const head = `${said} ${said === 1 ? 'ban' : 'bans'} imported as this node's own, ${refused.length} refused`
  const lines = refused
    .slice(0, SHOWN_REFUSALS)
    .map(({ line, text, reason }) => `  ${line === null ? '' : `line ${line}: `}${printable(text)}: ${reason}`)
  const more = refused.length - lines.length
  const counts = Object.entries(countReasons(refused)).map(([reason, count]) => `${count} ${reason}`)
  return [head, ...lines, ...(more > 0 ? [`  and ${more} more; in all: ${counts.join(', ')}`] : [])].join('\n')
}

/** Reads nothing but the files; changes nothing, for peer IDs are missing. */
export async function importFriends(context: Context, dir: string): Promise<Outcome> {
  const folder = resolve(context.cwd, dir)
  const friends: OldFriend[] = []
  const wrong: { file: string; wrong: string }[] = []
  try {
    const names = readdirSync(folder, { withFileTypes: true })
    // The configuration folder itself, with friends/ in it, will do as well.
    const inner = names.some((entry) => entry.name === 'friends' && entry.isDirectory())
      ? join(folder, 'friends')
      : folder
    const files = inner === folder ? names : readdirSync(inner, { withFileTypes: true })
    for (const { name } of files.filter((entry) => entry.isFile()).toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
      const path = join(inner, name)
      const parsed = parseOldFriend(name, statSync(path).size > FRIEND_BYTES ? '' : readFileSync(path, 'utf8'))
      if ('wrong' in parsed) wrong.push({ file: name, wrong: parsed.wrong })
      else friends.push(parsed)
    }
  } catch (error) {
    return failed(
      2,
      'unreadable',
      `${folder} can't be read (${(error as NodeJS.ErrnoException).code ?? 'unknown error'})`
    )
  }
  const warnings = wrong.map((item) => `${printable(item.file)}: ${item.wrong}`)
  if (friends.length === 0)
    return failed(1, 'no-friends', [`there is no friend of fail2ban-p2p in ${folder}`, ...warnings])
  const lines = [
    `${friends.length} friends of fail2ban-p2p. Their keys are of another kind: each has to install banmesh and send you`,
    'the line that banmesh invite prints there, or at least the peer ID. Then, for each:',
    '',
    ...friends.flatMap((friend) => [
      `# ${printable(friend.name)}: ${friend.address}, fail2ban-p2p on port ${friend.port}, trust ${percent(friend.trust)}`,
      `banmesh friend add ${multiaddrOf(friend)} --name ${quoted(friend.name)} --trust ${friend.trust}`
    ])
  ]
  return done({ friends, wrong }, lines.join('\n'), { notes: warnings.map((text) => `banmesh: warning: ${text}`) })
}

/** `PEER_ID` is for the operator to fill in. */
function multiaddrOf({ address }: OldFriend): string {
  const kind = address.includes(':') ? 'ip6' : /^[\d.]+$/.test(address) ? 'ip4' : 'dns'
  return `/${kind}/${address}/tcp/${DEFAULT_PORT}/p2p/PEER_ID`
}

/** For a shell. */
function quoted(text: string): string {
  const shown = printable(text)
  return /^[A-Za-z0-9_.-]+$/.test(shown) ? shown : `'${shown.replaceAll("'", "'\\''")}'`
}
