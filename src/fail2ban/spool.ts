/**
 * Events of fail2ban on their way to the daemon: one file per event, read in order as soon as it is there, or at the
 * daemon's next start. `appendToSpool` is what `banmesh hook` writes with; imports hardly anything, for fail2ban waits for
 * that process. Mostly it is the shell of the action itself that writes (files/action.d/banmesh.conf): under names of its
 * own, without the time, and with no rename, so that a file may be seen before its text is there.
 *
 * Either runs as root and the folder belongs to the daemon, who may be somebody else: it is entered once and not by way
 * of a link, files in it are created and never overwritten, and the folder's owner can read them.
 */
import type { Stats } from 'node:fs'
import { dirname } from 'node:path'
import { ok, refuse, type Result } from '../core/result.ts'
import { checkHookEvent, type HookEvent } from './hook-event.ts'

// The hook waits for nothing but this: an import of node:fs would load its streams and promises too, some 4 ms.
const {
  closeSync,
  constants,
  existsSync,
  fchownSync,
  fstatSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  unlinkSync,
  writeSync
} = process.getBuiltinModule('node:fs')

export const SPOOL_LIMITS = {
  /** Files in the folder. The next event is refused, and fail2ban's log says so. */
  files: 10_000,
  /** Bytes of one file. */
  fileBytes: 1024,
  /** Milliseconds after which a file that was never finished is junk. */
  unfinishedMs: 60_000
} as const

export type SpoolRefusal = 'spool-full' | 'spool-unusable'

export interface SpooledEvent {
  readonly name: string
  /** Unix ms at which the event was seen, for src/fail2ban/events.ts: as the hook says, else when the file was written. */
  readonly at: number
  readonly event: HookEvent
}

interface Folder {
  /** The folder's path by way of the open descriptor, so that nobody can exchange it under us. */
  readonly path: string
  readonly owner: Stats
}

/** A number that keeps the order, and the process or something random that keeps two of the same number apart. */
const NAME = /^(\d{15})-(?:\d{10}|[0-9a-f-]{36})\.json$/
const UNFINISHED = /^\.(\d{15})-\d{10}$/

/** Leaves one event in `dir`, which is made if only its parent is there. `now` in Unix ms. Returns the file's name. */
export function appendToSpool(dir: string, event: HookEvent, now: number, pid: number): Result<string, SpoolRefusal> {
  return inFolder(dir, true, ({ path, owner }) => {
    const files = readdirSync(path)
    if (files.length >= SPOOL_LIMITS.files) return refuse('spool-full')
    // The order is that of arrival, also if the clock was set back in between.
    const newest = files.reduce((stamp, name) => Math.max(stamp, Number(NAME.exec(name)?.[1] ?? 0)), 0)
    const stamp = `${String(Math.max(now, newest + 1)).padStart(15, '0')}-${String(pid).padStart(10, '0')}`
    const unfinished = `${path}/.${stamp}`
    const fd = openSync(unfinished, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600)
    try {
      const { uid, gid } = fstatSync(fd)
      if (uid !== owner.uid || gid !== owner.gid) fchownSync(fd, owner.uid, owner.gid)
      writeSync(fd, JSON.stringify({ at: now, event }))
    } finally {
      closeSync(fd)
    }
    renameSync(unfinished, `${path}/${stamp}.json`)
    return ok(`${stamp}.json`)
  })
}

/**
 * The oldest events, at most `limit`, in order. `junk` names what can't be understood; the caller removes both, each when
 * it is done with it. No folder is no event. `now` in Unix ms.
 */
export function readSpool(
  dir: string,
  limit: number,
  now: number
): Result<{ readonly events: readonly SpooledEvent[]; readonly junk: readonly string[] }, SpoolRefusal> {
  if (!existsSync(dir)) return ok({ events: [], junk: [] })
  return inFolder(dir, false, ({ path }) => {
    const events: SpooledEvent[] = []
    const junk: string[] = []
    for (const name of readdirSync(path).toSorted()) {
      const unfinished = UNFINISHED.exec(name)
      if (unfinished !== null) {
        if (Math.abs(now - Number(unfinished[1])) > SPOOL_LIMITS.unfinishedMs) junk.push(name)
      } else if (events.length < limit) {
        const event = NAME.test(name) ? readEvent(path, name, now) : null
        if (event === null) junk.push(name)
        else if (event !== 'unfinished') events.push(event)
      }
    }
    return ok({ events, junk })
  })
}

/** Removes files that `readSpool` named; one that is gone already is fine. */
export function removeFromSpool(dir: string, names: readonly string[]): Result<void, SpoolRefusal> {
  return inFolder(dir, false, ({ path }) => {
    for (const name of names) {
      try {
        unlinkSync(`${path}/${name}`)
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      }
    }
    return ok(undefined)
  })
}

function inFolder<T>(
  dir: string,
  make: boolean,
  work: (folder: Folder) => Result<T, SpoolRefusal>
): Result<T, SpoolRefusal> {
  let fd: number | null = null
  try {
    if (make && !existsSync(dir)) makeFolder(dir)
    fd = openSync(dir, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW)
    const byDescriptor = `/proc/self/fd/${fd}`
    return work({ path: existsSync(byDescriptor) ? byDescriptor : dir, owner: fstatSync(fd) })
  } catch {
    return refuse('spool-unusable')
  } finally {
    if (fd !== null) closeSync(fd)
  }
}

function makeFolder(dir: string): void {
  mkdirSync(dir, { mode: 0o700 })
  const parent = lstatSync(dirname(dir))
  const made = lstatSync(dir)
  if (made.uid !== parent.uid || made.gid !== parent.gid) lchownSync(dir, parent.uid, parent.gid)
}

/** Null is junk. A text that breaks off is still being written, or was not for lack of space: it ends as junk. */
function readEvent(path: string, name: string, now: number): SpooledEvent | 'unfinished' | null {
  let fd: number | null = null
  try {
    fd = openSync(`${path}/${name}`, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    const stats = fstatSync(fd)
    if (!stats.isFile()) return null
    const buffer = Buffer.alloc(SPOOL_LIMITS.fileBytes + 1)
    const length = readSync(fd, buffer)
    if (length > SPOOL_LIMITS.fileBytes) return null
    const written = Math.floor(stats.mtimeMs)
    const parsed = parse(buffer.toString('utf8', 0, length))
    if (parsed === null) return Math.abs(now - written) > SPOOL_LIMITS.unfinishedMs ? null : 'unfinished'
    const { at = written, event, ...rest } = parsed
    const checked = checkHookEvent(event)
    if (!checked.ok || !Number.isSafeInteger(at) || Object.keys(rest).length > 0) return null
    return { name, at: at as number, event: checked.value }
  } catch {
    return null
  } finally {
    if (fd !== null) closeSync(fd)
  }
}

function parse(text: string): Record<string, unknown> | null {
  try {
    return JSON.parse(text) as Record<string, unknown>
  } catch {
    return null
  }
}
