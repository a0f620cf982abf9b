/** The shipped files and where they go: fail2ban's filter, jail and action, and those of systemd and logrotate. */
import { readFileSync } from 'node:fs'
import { mkdir, rename, writeFile } from 'node:fs/promises'
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

const LOG_PATH = '/var/log/banmesh/bans.log'
const LOG_GLOB = '/var/log/banmesh/*.log'
const FAIL2BAN_DIR = '/etc/fail2ban'
const COMMAND_LINE = 'banmesh = banmesh\n'
const SPOOL_LINES = 'spool = /var/lib/banmesh/spool\nconfig = /etc/banmesh/banmesh.yaml\n'

/** What fail2ban, logrotate and a shell read as nothing but a path: no blanks, quotes, globs, percent signs. */
const PLAIN_PATH = /^\/[A-Za-z0-9._/+@:-]{1,1000}$/

/** The files with the operator's paths in them; nothing is written. */
export function installFiles(options: InstallOptions = {}): Result<readonly InstallFile[], InstallRefusal> {
  const { logPath = LOG_PATH, auditPath = null, fail2banDir = FAIL2BAN_DIR, command = 'banmesh', spool } = options
  if (!PLAIN_PATH.test(logPath) || !PLAIN_PATH.test(fail2banDir)) return refuse('bad-path')
  if (auditPath !== null && !PLAIN_PATH.test(auditPath)) return refuse('bad-path')
  if (command !== 'banmesh' && !PLAIN_PATH.test(command)) return refuse('bad-command')
  const files = Object.entries(TARGETS).map(([source, path]) => {
    const shipped = readFileSync(new URL(`./files/${source}`, import.meta.url), 'utf8')
    const content = shipped
      .replaceAll(LOG_PATH, logPath)
      .replaceAll(LOG_GLOB, rotated(logPath, auditPath))
      .replaceAll(`${FAIL2BAN_DIR}/`, `${fail2banDir}/`)
      .replaceAll(COMMAND_LINE, `banmesh = ${command}\n`)
      .replaceAll(SPOOL_LINES, spool === undefined ? SPOOL_LINES : spoolLines(spool))
    return { path, mode: 0o644, content }
  })
  return ok(files)
}

/** With no path the action takes the way round, by the command. */
function spoolLines({ path, config }: { readonly path: string; readonly config: string }): string {
  const plain = PLAIN_PATH.test(path) && PLAIN_PATH.test(config)
  return plain ? `spool = ${path}\nconfig = ${config}\n` : 'spool =\nconfig =\n'
}

/** What logrotate looks after: all of the shipped folder, but of another one only what is ours. */
function rotated(logPath: string, auditPath: string | null): string {
  const inFolder = (path: string): boolean => dirname(path) === dirname(LOG_PATH) && path.endsWith('.log')
  const others = [logPath, ...(auditPath === null ? [] : [auditPath])].filter((path) => !inFolder(path))
  return inFolder(logPath) ? [LOG_GLOB, ...others].join(' ') : others.join(' ')
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
      await writeFile(`${target}.banmesh-new`, content, { mode })
      await rename(`${target}.banmesh-new`, target)
      written.push(target)
    }
    return ok(written)
  } catch {
    return refuse('not-writable')
  }
}
