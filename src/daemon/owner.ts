/**
 * Whose a new file is. root types commands for a daemon that may be another user, to whom the folder belongs: what root
 * makes there is given to that user, or the daemon could not read it. That user may exchange anything in the folder at any
 * moment. So no path is looked at twice: folders are entered by descriptor, and only what we created is given away.
 */
import * as fs from 'node:fs'

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW, O_WRONLY, O_CREAT, O_EXCL } = fs.constants
const FOLDER = O_RDONLY | O_DIRECTORY | O_NOFOLLOW
const DESCRIPTORS = '/proc/self/fd'
const MOST_LINKS = 40

export interface Owner {
  readonly uid: number
  readonly gid: number
}

export interface Folder {
  /** By way of the open descriptor: what is named below it is in this folder, whatever has become of its name. */
  readonly path: string
  /** To whom a new file is to be given. Null: it stays ours. */
  readonly owner: Owner | null
}

/** Creates a file where there is nothing, not even a link, and waits for the disk. Throws as `openSync`. */
export function createFile(path: string, content: string | Uint8Array, mode: number, owner: Owner | null): void {
  const fd = fs.openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode)
  try {
    fs.writeFileSync(fd, content)
    fs.fsyncSync(fd)
    if (owner !== null) ifAllowed(() => fs.fchownSync(fd, owner.uid, owner.gid))
  } finally {
    fs.closeSync(fd)
  }
}

/**
 * Enters a folder, by its absolute path, for as long as `work` runs. `make`: what is missing on the way is made, each
 * folder its parent's owner's. root follows links only where none but root can have put them, and none if not `links`.
 * Throws as `openSync` and `mkdirSync`.
 */
export function inFolder<T>(dir: string, { make = false, links = true }, work: (folder: Folder) => T): T {
  if (process.geteuid?.() !== 0 || !fs.existsSync(DESCRIPTORS)) {
    if (make) fs.mkdirSync(dir, { recursive: true, mode: 0o750 })
    return work({ path: dir, owner: null })
  }
  const names = namesIn(dir)
  let linksLeft = links ? MOST_LINKS : 0
  let fd = fs.openSync('/', FOLDER)
  try {
    for (let name = names.shift(); name !== undefined; name = names.shift()) {
      const folder = fs.fstatSync(fd)
      if (folder.uid !== 0 || (folder.mode & 0o022) !== 0) linksLeft = 0
      const path = `${DESCRIPTORS}/${fd}/${name}`
      const found = fs.lstatSync(path, { throwIfNoEntry: false })
      if (found === undefined && make) makeAs(folder, path)
      const target = found?.isSymbolicLink() && linksLeft-- > 0 ? fs.readlinkSync(path) : null
      names.unshift(...namesIn(target ?? ''))
      const next = fs.openSync(target === null ? path : target.startsWith('/') ? '/' : `${DESCRIPTORS}/${fd}/.`, FOLDER)
      fs.closeSync(fd)
      fd = next
    }
    const { uid, gid } = fs.fstatSync(fd)
    return work({ path: `${DESCRIPTORS}/${fd}`, owner: uid === 0 ? null : { uid, gid } })
  } finally {
    fs.closeSync(fd)
  }
}

const namesIn = (path: string): string[] => path.split('/').filter((name) => name !== '')

/** Made by the owner, not given to it: a folder can't be made and opened at once, and another may be there by then. */
function makeAs({ uid, gid }: Owner, path: string): void {
  const ownGroup = process.getegid!()
  if (uid !== 0) ifAllowed(() => (process.setegid!(gid), process.seteuid!(uid)))
  try {
    fs.mkdirSync(path, { mode: 0o750 })
  } finally {
    process.seteuid!(0)
    process.setegid!(ownGroup)
  }
}

/** Without the right to, as root in a container without CAP_CHOWN, it stays ours, as it would without all this. */
function ifAllowed(give: () => void): void {
  try {
    give()
  } catch {}
}
