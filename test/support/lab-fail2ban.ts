/**
 * A real fail2ban server in a namespace: links to the stock configuration of the machine, and its own files for
 * what has to be its own. nftables refuses with a TCP reset, so that a client sees a ban at once.
 */
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { STOCK } from './fail2ban-package.ts'
import type { Namespace } from './lab-namespaces.ts'
import { run, type LabProcess, type Output, type Processes } from './lab-processes.ts'
import { until } from './until.ts'

const REFUSE = '[blocktype="reject with tcp reset"]'

/** A section of `jail.local`. */
export type Jail = Readonly<Record<string, string | number | boolean>>

export interface Fail2banFiles {
  /** `DIR/etc/fail2ban`, so that DIR is the root to install into. */
  readonly config: string
  readonly socket: string
  readonly log: string
}

export interface Fail2ban extends Fail2banFiles {
  client(...args: string[]): Promise<Output>
  /** Unix time in ms of the first ban of `address` that the server's log has, or null. */
  bannedAt(jail: string, address: string): number | null
  /** SIGTERM, as a service manager does. */
  stop(): Promise<void>
}

/** Lays out the folder of a server: install the banmesh filter, jail and action into `root` between this and the start. */
export function writeFail2banFiles(root: string): Fail2banFiles {
  const config = join(root, 'etc/fail2ban')
  for (const folder of ['action.d', 'filter.d']) {
    mkdirSync(join(config, folder), { recursive: true })
    for (const name of readdirSync(join(STOCK, folder))) {
      symlinkSync(join(STOCK, folder, name), join(config, folder, name))
    }
  }
  for (const folder of ['fail2ban.d', 'jail.d']) mkdirSync(join(config, folder))
  for (const name of readdirSync(STOCK).filter((file) => file.endsWith('.conf'))) {
    symlinkSync(join(STOCK, name), join(config, name))
  }
  return { config, socket: join(root, 'f2b.sock'), log: join(root, 'f2b.log') }
}

/** Resolves when every jail in `jails` runs. */
export async function startFail2ban(
  processes: Processes,
  namespace: Namespace,
  files: Fail2banFiles,
  jails: Readonly<Record<string, Jail>>,
  env: NodeJS.ProcessEnv
): Promise<Fail2ban> {
  const { config, socket, log } = files
  const pidFile = `${socket}.pid`
  const server = { logtarget: log, socket, pidfile: pidFile, dbfile: `${socket}.sqlite3`, allowipv6: 'auto' }
  const defaults = {
    banaction: `nftables-multiport${REFUSE}`,
    banaction_allports: `nftables-allports${REFUSE}`,
    backend: 'pyinotify',
    ignoreip: '127.0.0.1/8 ::1'
  }
  writeFileSync(join(config, 'fail2ban.local'), section('DEFAULT', server))
  writeFileSync(
    join(config, 'jail.local'),
    [section('DEFAULT', defaults), ...Object.entries(jails).map(([name, values]) => section(name, values))].join('\n')
  )
  writeFileSync(log, '')
  const own = ['-c', config, '-s', socket, '-p', pidFile]
  const fail2ban: LabProcess = processes.start(namespace.inside(['fail2ban-server', ...own, '-xf', 'start']), {
    env,
    log: `${log}.stderr.log`
  })
  for (const name of Object.keys(jails)) {
    await until(() => readFileSync(log, 'utf8').includes(`Jail '${name}' started`), `fail2ban's jail ${name}`)
  }
  return {
    ...files,
    client: (...args) => run(['fail2ban-client', ...own, ...args]),
    bannedAt: (jail, address) => timeOf(readFileSync(log, 'utf8'), `[${jail}] Ban ${address}`),
    async stop() {
      await fail2ban.stop()
    }
  }
}

function section(name: string, values: Jail): string {
  const lines = Object.entries(values).map(([key, value]) => `${key} = ${String(value).replaceAll('\n', '\n  ')}`)
  return `[${name}]\n${lines.join('\n')}\n`
}

/** fail2ban's log begins its lines with local time: `2026-11-20 18:00:00,123 fail2ban.actions [1]: NOTICE [sshd] Ban ...`. */
function timeOf(log: string, words: string): number | null {
  const line = log.split('\n').find((text) => text.endsWith(words))
  return line === undefined ? null : Date.parse(line.slice(0, 23).replace(' ', 'T').replace(',', '.'))
}
