/**
 * What `install` fills in, by the config and by what the machine has: whose the logs' folder is, what the unit needs; and
 * the watched log itself, which fail2ban wants to see before the daemon has run.
 */
import { readFileSync, realpathSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { DEFAULT_LOG_PATH, UNIT_USER, type InstallOptions } from '../fail2ban/install.ts'
import { LOG_MODE } from '../fail2ban/watched-log.ts'
import { auditPath } from './audit-path.ts'
import type { Config } from './config.ts'
import { createFile, inFolder } from './owner.ts'
import { orNull, unitCommand, writable, type Installation } from './unit.ts'

export { installFiles, writeInstallFiles } from '../fail2ban/install.ts'
export { unitNotes, type Installation } from './unit.ts'

/** What the config and the machine say; what they do not is as shipped. */
export function installOptions(installation: Installation): InstallOptions {
  const { configured, root } = installation
  const command = unitCommand(installation)
  if (configured === null) return { unit: { command } }
  const { config, path } = configured
  const { log } = config.handoff
  return {
    ...(log === null ? {} : { logPath: log.path }),
    auditPath: auditPath(config),
    spool: { path: join(config.dataDir, 'spool'), config: path },
    unit: { command, config: path, writable: writable(config, path) },
    rotateAs: (folder) => rotateAs(folder, config, root)
  }
}

/**
 * As whom the logs in a folder are to be rotated, `USER GROUP`: as its owner, or null, as root. Below another root, where
 * nothing is there yet, as the shipped unit's user.
 */
export function rotateAs(folder: string, { dataDir }: Config, root: string): string | null {
  const at = (path: string) => ownerOf(join(root, path)) ?? ownerOf(path)
  let owner = at(folder)
  if (owner === null && root !== '/') return UNIT_USER
  for (let parent = folder; owner === null; parent = dirname(parent)) owner = at(dirname(parent))
  // systemd gives this folder to the user of the unit when it starts it.
  if (owner.uid === 0 && folder === dirname(DEFAULT_LOG_PATH)) owner = at(dataDir) ?? owner
  return owner.uid === 0 ? null : `${nameOf('passwd', owner.uid, root)} ${nameOf('group', owner.gid, root)}`
}

function ownerOf(path: string): { uid: number; gid: number } | null {
  return orNull(() => statSync(path))
}

/** logrotate takes a number too where there is no name. */
function nameOf(file: 'passwd' | 'group', id: number, root: string): string {
  for (const path of [join(root, 'etc', file), join('/etc', file)]) {
    const lines = orNull(() => readFileSync(path, 'utf8'))?.split('\n') ?? []
    const [name] = lines.map((line) => line.split(':')).find((fields) => fields[2] === String(id)) ?? []
    if (name !== undefined) return name
  }
  return String(id)
}

/**
 * Leaves an empty watched log below `root`, for fail2ban looks once, and the daemon may not have written yet. `missing`:
 * there is none then, for a link is on the way, the folder is not there, or we have no right to. Null: none is wanted.
 */
export function leaveWatchedLog({
  root,
  configured
}: Installation): { readonly path: string; readonly state: 'left' | 'there' | 'missing' } | null {
  const log = configured === null ? { path: DEFAULT_LOG_PATH } : configured.config.handoff.log
  if (log === null) return null
  const path = join(root, log.path)
  if (!leaveFile(root, log.path)) return { path, state: orNull(() => statSync(path)) === null ? 'missing' : 'there' }
  return { path, state: 'left' }
}

/**
 * The name may be the daemon's choice, and we root: no folder is made but the default one, and nothing that means something
 * by being there, as /etc/nologin does.
 */
function leaveFile(root: string, name: string): boolean {
  if (!name.endsWith('.log')) return false
  const folder = dirname(name)
  const options = { make: folder === dirname(DEFAULT_LOG_PATH), links: false }
  const left = orNull(() =>
    inFolder(join(realpathSync(root), folder), options, ({ path, owner }) => {
      createFile(join(path, basename(name)), '', LOG_MODE, owner)
      return true
    })
  )
  return left !== null
}
