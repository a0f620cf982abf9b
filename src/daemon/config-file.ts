/**
 * Replaces the text of the config file: all or nothing, and one at a time. The new text is written beside the file, under
 * a name that also serves as the lock, and takes its place once it is on the disk. Mode and owner stay. A text that does
 * not parse as a config is never written.
 */
import { open, readFile, realpath, rename, stat, unlink, type FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { ok, refuse, type Result } from '../core/result.ts'
import { parseConfig } from './config.ts'

/** How long to wait for another command that is editing the same file. */
const LOCK_WAIT_MS = 3000
const LOCK_POLL_MS = 20

export type WriteRefusal = 'unreadable' | 'not-writable' | 'locked' | 'would-not-parse'

/** The name of the new file, which is the lock as well. */
export function lockOf(path: string): string {
  return `${path}.new`
}

/** Hands the file's text to `edit` and writes what it returns; what `edit` refuses is passed on and nothing is written. */
export async function editConfigFile<Reason extends string>(
  path: string,
  edit: (text: string) => Result<string, Reason>,
  lockWaitMs = LOCK_WAIT_MS
): Promise<Result<void, Reason | WriteRefusal>> {
  const file = await realpath(path).catch(() => null)
  if (file === null) return refuse('unreadable')
  const lock = lockOf(file)
  const handle = await openLock(lock, lockWaitMs)
  if (typeof handle === 'string') return refuse(handle)
  try {
    const result = await writeEdited(file, handle, edit)
    if (!result.ok) await unlink(lock)
    return result
  } catch {
    await unlink(lock).catch(() => undefined)
    return refuse('not-writable')
  } finally {
    await handle.close()
  }
}

async function writeEdited<Reason extends string>(
  file: string,
  handle: FileHandle,
  edit: (text: string) => Result<string, Reason>
): Promise<Result<void, Reason | WriteRefusal>> {
  const text = await readFile(file, 'utf8').catch(() => null)
  if (text === null) return refuse('unreadable')
  const edited = edit(text)
  if (!edited.ok) return edited
  if (!parseConfig(edited.value, { folder: dirname(file) }).ok) return refuse('would-not-parse')
  const { mode, uid, gid } = await stat(file)
  const own = await handle.stat()
  if (own.uid !== uid || own.gid !== gid) await handle.chown(uid, gid)
  await handle.chmod(mode & 0o7777)
  await handle.writeFile(edited.value)
  await handle.sync()
  await rename(lockOf(file), file)
  const folder = await open(dirname(file))
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
  return ok(undefined)
}

async function openLock(lock: string, waitMs: number): Promise<FileHandle | 'locked' | 'not-writable'> {
  for (let waited = 0; ; waited += LOCK_POLL_MS) {
    try {
      return await open(lock, 'wx', 0o600)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') return 'not-writable'
      if (waited >= waitMs) return 'locked'
      await delay(LOCK_POLL_MS)
    }
  }
}
