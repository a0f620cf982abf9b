/** The shipped files and where they go: fail2ban's filter, jail and action, and those of systemd and logrotate. */
import { readFileSync } from 'node:fs'
import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { ok, refuse, type Result } from '../core/result.ts'

export interface InstallFile {
  /** Below the root, without a leading slash. */
  readonly path: string
  readonly mode: number
  readonly content: string
}

export interface InstallOptions {
  /** The log hand-off's path. Default `/var/log/banmesh/bans.log`. */
  readonly logPath?: string
  /** The audit log's path, to be rotated as well. Null, the default: there is none, or it is in the shipped folder. */
  readonly auditPath?: string | null
  /** fail2ban's configuration folder as fail2ban will see it. Default `/etc/fail2ban`. */
  readonly fail2banDir?: string
  /** The command that the action runs. Default `banmesh`, from PATH. */
  readonly command?: string
  /** The folder in which the action leaves events, and the config that it is of. Default: those of the default config. */
  readonly spool?: { readonly path: string; readonly config: string }
  /** What the unit has in place of the shipped; a path that systemd would read otherwise is left out. */
  readonly unit?: UnitOptions
  /**
   * As whom logs in a folder are to be rotated, `USER GROUP`; null: as root. Default: as the unit's user. logrotate takes no
   * user that is not there, and as root it should not work in a folder in which somebody else can write.
   */
  readonly rotateAs?: (folder: string) => string | null
}

export interface UnitOptions {
  /** The program with its first arguments. Default `banmesh`, which systemd looks for. */
  readonly command?: readonly string[]
  readonly config?: string
  /** Folders in which the daemon may write. */
  readonly writable?: readonly string[]
}

export type InstallRefusal = 'bad-path' | 'bad-command' | 'not-writable'

/** Where each file under `files/` goes. */
const TARGETS = {
  'filter.d/banmesh.conf': 'etc/fail2ban/filter.d/banmesh.conf',
  'jail.d/banmesh.conf': 'etc/fail2ban/jail.d/banmesh.conf',
  'action.d/banmesh.conf': 'etc/fail2ban/action.d/banmesh.conf',
  'systemd/banmesh.service': 'etc/systemd/system/banmesh.service',
  'sysusers.d/banmesh.conf': 'etc/sysusers.d/banmesh.conf',
  'logrotate.d/banmesh': 'etc/logrotate.d/banmesh'
} as const

export const DEFAULT_LOG_PATH = '/var/log/banmesh/bans.log'
const LOG_GLOB = '/var/log/banmesh/*.log'
const FAIL2BAN_DIR = '/etc/fail2ban'
const COMMAND_LINE = 'banmesh = banmesh\n'
const EXEC_START = 'ExecStart=banmesh --config /etc/banmesh/banmesh.yaml run\n'
const WRITABLE_LINE = 'ReadWritePaths=-/etc/banmesh\n'
/** The user of files/systemd and files/logrotate.d. */
export const UNIT_USER = 'banmesh banmesh'
const STANZA = /^\/.* \{\n(?:.*\n)*?\}\n/m
const OWNER_LINES = `    create 0640 ${UNIT_USER}\n    su ${UNIT_USER}\n`
const ROOT_LINES = `    create 0640
    # As root, and so not in the folder of another user, who could lead root astray. For one: banmesh install
    prerotate
        test -O "\${1%/*}"
    endscript
`
const SPOOL_LINES = 'spool = /var/lib/banmesh/spool\nconfig = /etc/banmesh/banmesh.yaml\n'

/** What fail2ban, logrotate and a shell read as nothing but a path: no blanks, quotes, globs, percent signs. */
const PLAIN_PATH = /^\/[A-Za-z0-9._/+@:-]{1,1000}$/

export function isPlainPath(path: string): boolean {
  return PLAIN_PATH.test(path)
}

/** The files with the operator's paths in them; nothing is written. */
export function installFiles(options: InstallOptions = {}): Result<readonly InstallFile[], InstallRefusal> {
  const {
    logPath = DEFAULT_LOG_PATH,
    auditPath = null,
    fail2banDir = FAIL2BAN_DIR,
    command = 'banmesh',
    spool
  } = options
  const { rotateAs = () => UNIT_USER } = options
  if (!isPlainPath(logPath) || !isPlainPath(fail2banDir)) return refuse('bad-path')
  if (auditPath !== null && !isPlainPath(auditPath)) return refuse('bad-path')
  if (command !== 'banmesh' && !isPlainPath(command)) return refuse('bad-command')
  const unit = unitLines(options.unit ?? {})
  const files = Object.entries(TARGETS).map(([source, path]) => {
    const shipped = readFileSync(new URL(`./files/${source}`, import.meta.url), 'utf8')
    const content = shipped
      .replaceAll(DEFAULT_LOG_PATH, logPath)
      .replace(STANZA, (stanza) => stanzas(stanza, rotated(logPath, auditPath), rotateAs))
      .replace(EXEC_START, () => unit.exec)
      .replace(WRITABLE_LINE, () => unit.writable)
      .replaceAll(`${FAIL2BAN_DIR}/`, `${fail2banDir}/`)
      .replaceAll(COMMAND_LINE, `banmesh = ${command}\n`)
      .replaceAll(SPOOL_LINES, spool === undefined ? SPOOL_LINES : spoolLines(spool))
    return { path, mode: 0o644, content }
  })
  return ok(files)
}

/** With no path the action takes the way round, by the command. */
function spoolLines({ path, config }: { readonly path: string; readonly config: string }): string {
  const plain = isPlainPath(path) && isPlainPath(config)
  return plain ? `spool = ${path}\nconfig = ${config}\n` : 'spool =\nconfig =\n'
}

function unitLines({ command = [], config = '', writable }: UnitOptions): { exec: string; writable: string } {
  const program = command.length > 0 && command.every(isPlainPath) ? command.join(' ') : 'banmesh'
  const folders = writable?.filter(isPlainPath).map((path) => `-${path}`)
  return {
    exec: `ExecStart=${program} --config ${isPlainPath(config) ? config : '/etc/banmesh/banmesh.yaml'} run\n`,
    writable: folders === undefined ? WRITABLE_LINE : `ReadWritePaths=${folders.join(' ')}\n`
  }
}

/** What logrotate looks after: all of the shipped folder, but of another one only what is ours. */
function rotated(logPath: string, auditPath: string | null): string[] {
  const inFolder = (path: string): boolean => dirname(path) === dirname(DEFAULT_LOG_PATH) && path.endsWith('.log')
  const others = [logPath, ...(auditPath === null ? [] : [auditPath])].filter((path) => !inFolder(path))
  return [...(inFolder(logPath) ? [LOG_GLOB] : []), ...others]
}

/** The shipped stanza for each user as whom it has to be done. */
function stanzas(shipped: string, paths: readonly string[], rotateAs: (folder: string) => string | null): string {
  return [...Map.groupBy(paths, (path) => rotateAs(dirname(path)))]
    .map(([user, own]) =>
      shipped
        .replace(LOG_GLOB, () => own.join(' '))
        .replace(OWNER_LINES, () => (user === null ? ROOT_LINES : OWNER_LINES.replaceAll(UNIT_USER, user)))
    )
    .join('\n')
}

/** Writes below `root`, over older versions: what an operator changes goes into `.local` files, which are not touched. */
export async function writeInstallFiles(
  root: string,
  files: readonly InstallFile[]
): Promise<Result<readonly string[], InstallRefusal>> {
  const written: string[] = []
  try {
    for (const { path, mode, content } of files) {
      const target = join(root, path)
      await mkdir(dirname(target), { recursive: true })
      // Renamed, so that fail2ban never reads half of it. A name that no program takes for its configuration.
      const unfinished = `${target}.banmesh-new`
      // One of an interrupted run, or a link that somebody has put there: neither is written to.
      await rm(unfinished, { force: true })
      await writeFile(unfinished, content, { mode, flag: 'wx' })
      await rename(unfinished, target)
      written.push(target)
    }
    return ok(written)
  } catch {
    return refuse('not-writable')
  }
}
