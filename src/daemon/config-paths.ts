/**
 * Which config file is meant, and which socket and data folder it names. Commands that only talk to the daemon, and above
 * all fail2ban's hook, need no more than that, and reading YAML in full would triple their time: plain top-level lines are
 * read here, and whatever is not plain is left to the real parser. Imports next to nothing.
 */
import { dirname, join, resolve } from 'node:path'
import { ok, refuse, type Result } from '../core/result.ts'

// Importing node:fs loads its promises and streams too, which takes longer than all of the rest.
const { existsSync, lstatSync, readFileSync, statSync } = process.getBuiltinModule('node:fs')

export const DEFAULT_CONTROL = '/run/banmesh/control.sock'
export const DEFAULT_DATA_DIR = '/var/lib/banmesh'

export interface ConfigSearch {
  /** What `--config` named. */
  readonly option: string | undefined
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
}

/**
 * The config file to use: `--config`, `$BANMESH_CONFIG`, `./banmesh.yaml`, `/etc/banmesh/banmesh.yaml`, in this order. The
 * file of the current folder is passed over if it is somebody else's: a config names programs to run and files to write, and
 * root may stand in a folder where anybody could have left one.
 */
export function findConfig({ option, env, cwd }: ConfigSearch): Result<string, 'no-config'> {
  const named = option ?? env['BANMESH_CONFIG']
  if (named !== undefined && named !== '') return ok(resolve(cwd, named))
  const here = join(cwd, 'banmesh.yaml')
  const found = [...(isOurs(here) ? [here] : []), '/etc/banmesh/banmesh.yaml'].find((path) => existsSync(path))
  return found === undefined ? refuse('no-config') : ok(found)
}

/** Whether nobody but us, root and our group can have written the file, nor put a link to it there. */
function isOurs(path: string): boolean {
  const [file, entry] = [statSync, lstatSync].map((look) => look(path, { throwIfNoEntry: false }))
  if (file === undefined || entry === undefined) return false
  const owners = [0, process.geteuid?.() ?? file.uid]
  const byOthers = file.gid === process.getegid?.() ? 0o002 : 0o022
  return owners.includes(file.uid) && owners.includes(entry.uid) && (file.mode & byOthers) === 0
}

/** Absolute paths. */
export interface ConfigPaths {
  readonly control: string
  readonly dataDir: string
}

/** What the file at `path` names; `unreadable` also for a file that does not parse. */
export async function readConfigPaths(path: string): Promise<Result<ConfigPaths, 'unreadable'>> {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch {
    return refuse('unreadable')
  }
  const plain = scanConfigPaths(text)
  if (plain !== null) {
    const folder = dirname(resolve(path))
    return ok({
      control: resolve(folder, plain.control ?? DEFAULT_CONTROL),
      dataDir: resolve(folder, plain.dataDir ?? DEFAULT_DATA_DIR)
    })
  }
  const { loadConfig } = await import('./config.ts')
  const loaded = loadConfig(path)
  return loaded.ok ? ok({ control: loaded.config.control, dataDir: loaded.config.dataDir }) : refuse('unreadable')
}

interface Named {
  control?: string
  dataDir?: string
}

/** The two paths as written. Null if the text is not plain enough to be sure: then only a parser can tell. */
export function scanConfigPaths(text: string): Named | null {
  return /^\s*\{/.test(text) ? scanJson(text) : scanLines(text)
}

function scanJson(text: string): Named | null {
  try {
    const { control, dataDir } = JSON.parse(text) as Record<string, unknown>
    if (![control, dataDir].every((value) => value === undefined || typeof value === 'string')) return null
    return { control, dataDir } as Named
  } catch {
    return null
  }
}

/** What may follow `control:`: a path in quotes without escapes, or one without anything that YAML could read otherwise. */
const PLAIN_VALUE = /^(?:"([^"\\]*)"|'([^']*)'|([\w./][\w./@+~-]*))(?:[ \t]+#.*)?[ \t]*$/

/**
 * In a valid file whose top level is a block map, a line that begins in column 0 is a comment, a list item or a top-level
 * key: whatever else may hold text (block scalars, quoted or flow values over several lines) has to be indented.
 */
function scanLines(text: string): Named | null {
  const named: Named = {}
  let begun = false
  let ours = false
  for (const line of text.split(/\r?\n/)) {
    if (/^[ \t]*(#|$)/.test(line)) continue
    if (line === '---' && !begun) continue
    if (/^( |- |-$)/.test(line)) {
      // Before any key, it is the top level itself that is indented.
      if (ours || !begun) return null
      continue
    }
    begun = true
    const [, key, value = ''] = /^([A-Za-z]\w*):(?:[ \t]+(.*))?$/.exec(line) ?? []
    if (key === undefined) return null
    ours = key === 'control' || key === 'dataDir'
    if (!ours) continue
    const match = PLAIN_VALUE.exec(value)
    if (match === null || named[key as keyof Named] !== undefined) return null
    named[key as keyof Named] = match[1] ?? match[2] ?? match[3]!
  }
  return named
}
