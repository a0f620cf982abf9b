/**
 * What the unit needs that the shipped one may not have: where its command is, and folders to write in. systemd looks for a
 * command in few folders, and hides or locks all that it is not told to open.
 */
import { lstatSync, readFileSync, realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { isPlainPath } from '../fail2ban/install.ts'
import { auditPath } from './audit-path.ts'
import type { Config } from './config.ts'

export interface Installation {
  /** An absolute path: the files go below it. */
  readonly root: string
  /** Node.js and the script that it runs now. */
  readonly program: readonly [string, string]
  /** Null: the machine is prepared before it has a config. */
  readonly configured: { readonly path: string; readonly config: Config } | null
}

/** The only folders in which systemd looks for what a unit names without one. */
const UNIT_FOLDERS = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin']

/** None if the script is found by its name, and so is the Node.js that it asks for; else both are named in full. */
export function unitCommand({ root, program }: Installation): readonly string[] {
  const [node, script] = program
  const isKnown = isFound('banmesh', script, root) && (!asksForNode(script) || isFound('node', node, root))
  return isKnown ? [] : program
}

function isFound(name: string, running: string, root: string): boolean {
  const path = UNIT_FOLDERS.map((folder) => join(root, folder, name)).find(isThere)
  if (path === undefined) return false
  // On another system there may be another one; here it has to be this one, for there may be an older beside it.
  return root !== '/' || realPath(path) === realPath(running)
}

/** By its name, that is: the Debian package's script names its own Node.js in full. */
function asksForNode(script: string): boolean {
  return orNull(() => /^#!\S*env\b/.test(readFileSync(script, 'latin1'))) ?? true
}

function realPath(path: string): string | null {
  return orNull(() => realpathSync(path))
}

/** For what is not there, or not ours to see. */
export function orNull<T>(look: () => T): T | null {
  try {
    return look()
  } catch {
    return null
  }
}

function isThere(path: string): boolean {
  return orNull(() => lstatSync(path)) !== null
}

/** What the unit itself gives to the daemon. */
const GIVEN = ['/run/banmesh', '/var/lib/banmesh', '/var/log/banmesh']
/** Others' folders too: what is right in them can't be the daemon's, and the unit does not open them. */
const SHARED = ['/var/lib', '/var/log', '/usr/local', '/run/user', '/usr/share', '/usr/lib', '/var/tmp', '/var/cache']
/** What ProtectHome= and PrivateTmp= hide. */
const HIDDEN = ['/home', '/root', '/run/user', '/tmp', '/var/tmp']

function isBelow(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}/`)
}

function isShared(folder: string): boolean {
  return SHARED.includes(folder) || dirname(folder) === '/'
}

/** Each folder that the daemon writes in, with the file that asks for it. */
function writtenIn(config: Config, configFile: string): { folder: string; for: string }[] {
  const audit = auditPath(config)
  const files = [configFile, config.control, config.handoff.log?.path, audit].filter((path) => typeof path === 'string')
  return [
    { folder: config.dataDir, for: config.dataDir },
    ...files.map((file) => ({ folder: dirname(file), for: file }))
  ].filter(({ folder }) => !GIVEN.some((given) => isBelow(folder, given)))
}

/** Without those of others, and those in one of them. */
export function writable(config: Config, configFile: string): string[] {
  const folders = [...new Set(writtenIn(config, configFile).map(({ folder }) => folder))].filter(
    (one) => !isShared(one)
  )
  return folders.filter((one) => !folders.some((other) => other !== one && isBelow(one, other))).toSorted()
}

/** What the hardened unit can't serve, for people; a line each. */
export function unitNotes(installation: Installation): string[] {
  const command = unitCommand(installation)
  const used = [...command]
  const notes: string[] = []
  if (!command.every(isPlainPath)) notes.push(`${command.join(' ')} can't stand in the unit, which is without it`)
  if (installation.configured !== null) {
    const { config, path } = installation.configured
    const written = writtenIn(config, path)
    used.push(path, config.dataDir, ...written.map((entry) => entry.for))
    if (config.networkKey !== null) used.push(config.networkKey)
    if (config.handoff.exec !== null) used.push(config.handoff.exec.command[0])
    for (const { folder, for: file } of written.filter((entry) => isShared(entry.folder))) {
      if (file !== path) notes.push(`${file} is not in a folder of the daemon's own: ${folder} is closed to it`)
    }
    if (isBelow(dirname(config.control), '/run') && !isBelow(config.control, '/run/banmesh')) {
      notes.push(`the folder of ${config.control} is gone after a reboot, and is not made again: /run/banmesh is`)
    }
    const named = [path, ...written.map(({ folder }) => folder).filter((folder) => folder !== dirname(path))]
    for (const one of new Set(named.filter((name) => !isPlainPath(name))))
      notes.push(`${one} can't stand in the unit, which is without it`)
  }
  for (const file of new Set(used)) {
    const folder = HIDDEN.find((hidden) => isBelow(file, hidden))
    if (folder !== undefined) notes.push(`${file} is hidden from it, as all of ${folder}: choose another folder`)
  }
  return notes.map((note) => `if systemd runs the daemon: ${note}`)
}
