/**
 * The watched log: one JSON object a line, for fail2ban's filter (files/filter.d/banmesh.conf) and for people. Keys, their
 * order and their form are the interface, so pino writes them without its own level, pid and host name.
 *
 * The file may be renamed, deleted or cut short at any moment, and the disk may be full. A batch is written at once, and
 * the file looked at before and after; what could not be written is a refusal, and stays the caller's.
 */
import {
  closeSync,
  constants,
  fstatSync,
  mkdirSync,
  openSync,
  readSync,
  statSync,
  writeSync,
  type Stats
} from 'node:fs'
import { dirname } from 'node:path'
import { pino } from 'pino'
import { ONE, type Ppm } from '../core/report.ts'
import { ok, refuse, type Result } from '../core/result.ts'

export interface LogEntry {
  readonly event: 'ban' | 'unban'
  /** An address or CIDR in canonical spelling. */
  readonly ip: string
  readonly jail: string
  /** Unix seconds. */
  readonly until: number
  readonly score: Ppm
  readonly origins: number
}

export type LogRefusal = 'disk-full' | 'not-writable' | 'log-failed'

export interface WatchedLog {
  /**
   * All of the entries are in the file, or at least one is not. Without entries it only looks after the file, which is
   * there afterwards. `renewed`: since the last call the file was exchanged or cut short, and a reader that was not quick
   * may have missed its last lines.
   */
  write(entries: readonly LogEntry[]): Result<{ readonly renewed: boolean }, LogRefusal>
  /** The next call opens the file anew (SIGUSR2). */
  reopen(): void
  close(): void
}

export interface WatchedLogOptions {
  readonly path: string
  /** Unix ms. */
  readonly now: () => number
}

/** No link is followed to a file that somebody else chose, and a fifo does not make us wait. */
const OPEN_FLAGS =
  constants.O_RDWR | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK

/** Readable for a group that the operator chooses; the folder decides. */
export const LOG_MODE = 0o640

export function createWatchedLog({ path, now }: WatchedLogOptions): WatchedLog {
  const lines: string[] = []
  const logger = pino(
    { base: null, timestamp: () => `"time":"${new Date(now()).toISOString()}"`, formatters: { level: () => ({}) } },
    { write: (line: string) => void lines.push(line) }
  )
  let fd: number | null = null
  /** Bytes that the file had when we last looked. */
  let size = 0
  /** Whether the file ends within a line, as after a full disk. The filter takes whole lines only, so that one is ended. */
  let torn = false
  let openedBefore = false

  function close(): void {
    if (fd === null) return
    closeSync(fd)
    fd = null
  }

  function openFile(): void {
    mkdirSync(dirname(path), { recursive: true })
    const opened = openSync(path, OPEN_FLAGS, LOG_MODE)
    // A deleted file is let go of only now: else the new one may get its inode, and a reader take it for the old one.
    close()
    fd = opened
  }

  /** Leaves the right file open; true if it is another one than before, or shorter. */
  function lookAfterFile(): boolean {
    const exchanged = fd === null || !isSameFile(fstatSync(fd), statOrNull(path))
    if (exchanged) openFile()
    const before = exchanged ? Number.POSITIVE_INFINITY : size
    size = fstatSync(fd!).size
    if (size >= before) return false
    torn = endsWithinLine(fd!, size)
    const known = openedBefore
    openedBefore = true
    return known
  }

  function append(target: number, text: string): void {
    const bytes = Buffer.from(torn ? `\n${text}` : text)
    for (let written = 0; written < bytes.length;) written += writeSync(target, bytes, written)
    torn = false
    size = fstatSync(target).size
  }

  return {
    write(entries) {
      for (const { event, ip, jail, until, score, origins } of entries) {
        logger.info({ event, ip, jail, until, score: Math.floor((score * 100) / ONE), origins })
      }
      const text = lines.splice(0).join('')
      try {
        let renewed = lookAfterFile()
        if (text !== '') {
          append(fd!, text)
          // Renamed while we wrote: whoever watches the path does not read these lines any more.
          if (lookAfterFile()) {
            renewed = true
            append(fd!, text)
          }
        }
        return ok({ renewed })
      } catch (error) {
        // The next call opens the file anew, and sees how much of a line is in it.
        close()
        return refuse(reasonOf(error))
      }
    },
    reopen: close,
    close
  }
}

function isSameFile(open: Stats, atPath: Stats | null): boolean {
  return atPath !== null && open.ino === atPath.ino && open.dev === atPath.dev
}

function statOrNull(path: string): Stats | null {
  return statSync(path, { throwIfNoEntry: false }) ?? null
}

function endsWithinLine(fd: number, size: number): boolean {
  if (size === 0) return false
  const last = Buffer.alloc(1)
  readSync(fd, last, 0, 1, size - 1)
  return last[0] !== 0x0a
}

/** The path or its folder is something else, belongs to somebody else, or is on a read-only file system. */
const NOT_WRITABLE = new Set(['EACCES', 'EPERM', 'EROFS', 'EISDIR', 'ENOTDIR', 'EEXIST', 'ELOOP'])

function reasonOf(error: unknown): LogRefusal {
  const { code } = error as NodeJS.ErrnoException
  if (code === 'ENOSPC' || code === 'EDQUOT') return 'disk-full'
  return code !== undefined && NOT_WRITABLE.has(code) ? 'not-writable' : 'log-failed'
}
