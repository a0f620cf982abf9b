/** A folder and a shell in it: the command as a user types it, run from source as a process of its own. */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { Status } from '../../src/control/api.ts'
import { createControlServer, type ControlPort } from '../../src/control/server.ts'
import { until } from '../support/until.ts'

export const BANMESH = join(import.meta.dirname, '../../bin/banmesh.ts')
const COMMAND_TIMEOUT_MS = 30_000

export interface Typed {
  readonly exit: number
  readonly stdout: string
  readonly stderr: string
}

export interface Shell {
  readonly folder: string
  /** Types `banmesh` and these words. */
  banmesh(...words: string[]): Promise<Typed>
  /** The document that it prints with `--json`; whatever the exit code. */
  json(...words: string[]): Promise<unknown>
  read(name: string): string
  write(name: string, text: string): void
}

export function createShell(t: TestContext, env: Record<string, string> = {}): Shell {
  const folder = mkdtempSync(join(tmpdir(), 'banmesh-cli-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const options = { cwd: folder, env: { PATH: process.env['PATH'], HOME: folder, ...env }, timeout: COMMAND_TIMEOUT_MS }
  const banmesh = (...words: string[]): Promise<Typed> => {
    const { promise, resolve } = Promise.withResolvers<Typed>()
    execFile(process.execPath, [BANMESH, ...words], options, (error, stdout, stderr) => {
      resolve({ exit: error === null ? 0 : Number(error.code ?? -1), stdout, stderr })
    })
    return promise
  }
  return {
    folder,
    banmesh,
    async json(...words) {
      const { stdout } = await banmesh(...words, '--json')
      return JSON.parse(stdout)
    },
    read: (name) => readFileSync(join(folder, name), 'utf8'),
    write: (name, text) => writeFileSync(join(folder, name), text)
  }
}

/** A config for a node that keeps to itself: own folder, loopback, free ports. */
export const LOOPBACK = {
  network: 'test',
  dataDir: '.',
  listen: ['/ip4/127.0.0.1/tcp/0'],
  control: './control.sock',
  discovery: { dht: false },
  handoff: { log: { path: './bans.log' } },
  web: false,
  protectReserved: false
}

/** Answers on the shell's control socket like a daemon, with what a test wants it to say. */
export async function pretendDaemon(t: TestContext, { folder }: Shell, port: Partial<ControlPort>): Promise<void> {
  const server = createControlServer(port as ControlPort)
  t.after(() => server.close())
  await server.listen(join(folder, 'control.sock'))
}

export interface RunningDaemon {
  /** Resolves with the exit code. */
  signal(name: NodeJS.Signals): Promise<number>
  readonly log: () => string
}

/** `banmesh run` in the shell's folder; resolves when it answers. */
export async function startDaemon(t: TestContext, shell: Shell): Promise<RunningDaemon> {
  const daemon = spawn(process.execPath, [BANMESH, 'run'], { cwd: shell.folder, stdio: ['ignore', 'pipe', 'pipe'] })
  let log = ''
  daemon.stdout.setEncoding('utf8').on('data', (text: string) => (log += text))
  daemon.stderr.setEncoding('utf8').on('data', (text: string) => (log += text))
  const exited = once(daemon, 'close').then(([code]) => code as number)
  t.after(async () => {
    daemon.kill('SIGKILL')
    await exited
  })
  await until(async () => {
    if (daemon.exitCode !== null) throw new Error(`the daemon has ended: ${log}`)
    return ((await shell.json('status')) as Partial<Status>).peerId !== undefined
  }, 'the daemon to answer')
  return {
    log: () => log,
    signal(name) {
      daemon.kill(name)
      return exited
    }
  }
}
