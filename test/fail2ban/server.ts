/**
 * A real fail2ban server of a test's own: the stock configuration by links, and everything else (socket, database, log,
 * jails) in a folder that is gone afterwards.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { STOCK } from '../support/fail2ban-package.ts'
import { until } from '../support/until.ts'

export interface Output {
  /** -1 if the command was ended by a signal. */
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface Fail2banServer {
  /** The temporary folder. */
  readonly dir: string
  /** fail2ban's configuration in it: `action.d`, `filter.d`, `jail.d`, `jail.local`. */
  readonly config: string
  readonly socket: string
  /** The path of its database. */
  readonly database: string
  /** fail2ban-client; fails the test unless the exit code is 0. */
  client(...command: string[]): Promise<string>
  /** Returns when the jails answer. */
  start(...jails: string[]): Promise<void>
  stop(): Promise<void>
  /** Forgets all bans, as a new installation would. Only while it is stopped. */
  dropDatabase(): void
  log(): string
}

export interface ServerOptions {
  /** `jail.local`. Unless it says otherwise, logs are polled and the firewall action is one that does nothing. */
  readonly jails: string
  /** Name of a network namespace to run in. */
  readonly namespace?: string
}

export function run(command: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env): Promise<Output> {
  return new Promise((resolve) => {
    execFile(command, args, { encoding: 'utf8', env }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1
      resolve({ code, stdout, stderr })
    })
  })
}

export function prepareFail2ban(t: TestContext, { jails, namespace }: ServerOptions): Fail2banServer {
  const dir = mkdtempSync(join(tmpdir(), 'banmesh-f2b-'))
  const config = join(dir, 'etc/fail2ban')
  const socket = join(dir, 'sock')
  const pid = join(dir, 'pid')
  const database = join(dir, 'db.sqlite3')
  const logFile = join(dir, 'fail2ban.log')
  for (const folder of ['action.d', 'filter.d']) {
    mkdirSync(join(config, folder), { recursive: true })
    for (const name of readdirSync(join(STOCK, folder))) {
      symlinkSync(join(STOCK, folder, name), join(config, folder, name))
    }
  }
  mkdirSync(join(config, 'jail.d'))
  for (const name of readdirSync(STOCK)) {
    if (/^(fail2ban|jail|paths-.*)\.conf$/.test(name)) symlinkSync(join(STOCK, name), join(config, name))
  }
  writeFileSync(
    join(config, 'fail2ban.local'),
    `[DEFAULT]\nlogtarget = ${logFile}\nsocket = ${socket}\npidfile = ${pid}\ndbfile = ${database}\nallowipv6 = auto\n`
  )
  writeFileSync(join(config, 'action.d/nothing.conf'), '[Definition]\nactionban =\nactionunban =\n')
  writeFileSync(
    join(config, 'jail.d/00-test.conf'),
    '[DEFAULT]\nbackend = polling\nbanaction = nothing\nbanaction_allports = nothing\nignoreself = false\n'
  )
  writeFileSync(join(config, 'jail.local'), jails)
  const where = ['-c', config, '-s', socket, '-p', pid]
  let server: ChildProcess | null = null

  async function stop(): Promise<void> {
    const running = server
    if (running === null || running.exitCode !== null || running.signalCode !== null) return
    await run('fail2ban-client', [...where, 'stop'])
    await until(() => running.exitCode !== null || running.signalCode !== null, 'fail2ban to stop')
  }

  async function client(...command: string[]): Promise<string> {
    const { code, stdout, stderr } = await run('fail2ban-client', [...where, ...command])
    if (code !== 0) throw new Error(`fail2ban-client ${command.join(' ')}: ${code}: ${stdout}${stderr}${log()}`)
    return stdout
  }

  function log(): string {
    try {
      return readFileSync(logFile, 'utf8')
    } catch {
      return ''
    }
  }

  t.after(async () => {
    try {
      await stop()
    } finally {
      server?.kill('SIGKILL')
      rmSync(dir, { recursive: true, force: true })
    }
  })

  return {
    dir,
    config,
    socket,
    database,
    client,
    stop,
    log,
    async start(...jailNames) {
      const command = ['fail2ban-server', ...where, '-xf', 'start']
      const [program, ...args] = namespace === undefined ? command : ['ip', 'netns', 'exec', namespace, ...command]
      server = spawn(program!, args, { stdio: 'ignore' })
      for (const jail of jailNames) {
        const started = async () => (await run('fail2ban-client', [...where, 'status', jail])).code === 0
        await until(started, `jail ${jail} (${log()})`)
      }
    },
    dropDatabase() {
      rmSync(database, { force: true })
    }
  }
}
