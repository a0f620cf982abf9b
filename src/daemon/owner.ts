/**
 * Whose a new file is. root types commands for a daemon that may be another user, to whom the folder belongs: what root
 * makes there is given to that user, or the daemon could not read it.
 */
import { closeSync, constants, fchownSync, fstatSync, mkdirSync, openSync, statSync } from 'node:fs'
import { dirname } from 'node:path'

const LOOK = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK

/**
 * Gives `made`, a new file or folder, to the owner and group of `model`; does nothing unless we are root, nor where that
 * is not allowed. Another user may write in the folder: what is there now under that name, if it is a link, stays as it is.
 */
export function giveToOwnerOf(model: string, made: string): void {
  if (process.geteuid?.() !== 0) return
  try {
    const { uid, gid } = statSync(model)
    const fd = openSync(made, LOOK)
    try {
      const own = fstatSync(fd)
      const isOneFile = own.isFile() && own.nlink === 1
      if ((isOneFile || own.isDirectory()) && (own.uid !== uid || own.gid !== gid)) fchownSync(fd, uid, gid)
    } finally {
      closeSync(fd)
    }
  } catch {
    // No right to, as for root in a container without CAP_CHOWN. The file is there, as it would be without us.
  }
}

/** Makes a folder with all that lead to it, each of them its parent's owner's. Throws as `mkdirSync`. */
export function makeFolder(folder: string): void {
  const first = mkdirSync(folder, { recursive: true, mode: 0o750 })
  if (first === undefined) return
  const made = [folder]
  while (made[0] !== first && made[0] !== dirname(made[0]!)) made.unshift(dirname(made[0]!))
  for (const path of made) giveToOwnerOf(dirname(path), path)
}
