/** A real fail2ban server of the demo's own: one jail without a firewall action, so that it needs no root. */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'

export interface DemoFail2ban {
  /** `handoff.fail2ban` of the config. */
  readonly handoff: { readonly enabled: true; readonly jail: string; readonly socket: string }
  /** The addresses that its jail holds. */
  banned(): Promise<string[]>
  stop(): Promise<void>
}

const JAIL = 'banmesh'
const START_TIMEOUT_MS = 20_000

export async function startFail2ban(parent: string): Promise<DemoFail2ban> {
  const dir = join(parent, 'fail2ban')
  await mkdir(dir)
  for (const name of ['action.d', 'filter.d', 'fail2ban.conf']) await symlink(`/etc/fail2ban/${name}`, join(dir, name))
  const socket = join(dir, 'socket')
  await writeFile(join(dir, 'empty.log'), '')
  const local = { socket, pidfile: join(dir, 'pid'), dbfile: join(dir, 'db'), logtarget: join(dir, 'log') }
  await writeFile(join(dir, 'fail2ban.local'), section('DEFAULT', local))
  const jail = { enabled: 'true', filter: 'sshd', backend: 'polling', logpath: join(dir, 'empty.log'), maxretry: '1' }
  await writeFile(join(dir, 'jail.conf'), section('DEFAULT', { action: '' }) + section(JAIL, jail))
  const args = ['-c', dir, '-s', socket, '-p', local.pidfile]
  const server = spawn('fail2ban-server', [...args, '-xf', 'start'], { stdio: 'ignore' })
  const failed = once(server, 'error').then(([error]) => Promise.reject(error as Error))
  failed.catch(() => undefined)

  const run = promisify(execFile)
  const ask = (...words: string[]): Promise<string> =>
    run('fail2ban-client', [...args, ...words], { timeout: 5000 }).then(({ stdout }) => stdout)
  const deadline = performance.now() + START_TIMEOUT_MS
  while (!(await Promise.race([failed, ask('status', JAIL).catch(() => null)]))) {
    if (performance.now() > deadline) throw new Error(`fail2ban did not start; see ${local.logtarget}`)
    await delay(100)
  }
  return {
    handoff: { enabled: true, jail: JAIL, socket },
    banned: async () => (await ask('get', JAIL, 'banip')).split(/\s+/).filter(Boolean),
    async stop() {
      if (server.exitCode !== null) return
      const ended = once(server, 'exit')
      server.kill('SIGTERM')
      await ended
    }
  }
}

function section(name: string, values: Record<string, string>): string {
  return `[${name}]\n${Object.entries(values)
    .map(([key, value]) => `${key} = ${value}\n`)
    .join('')}`
}
