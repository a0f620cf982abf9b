/** The other processes of a bench: bare libp2p nodes, the daemon as it is published, and what the kernel says of them. */
import assert from 'node:assert/strict'
import { execFile, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, globSync, readFileSync, statSync } from 'node:fs'
import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'

const ROOT = new URL('../..', import.meta.url).pathname
const BUILT = `${ROOT}dist/bin/banmesh.js`
/** In a second: what /proc counts CPU time in, on every Linux that Node runs on. */
const TICKS = 100
/** A message that was lost is waited for in vain. */
const ANSWER_MS = 5 * 60_000

export interface Child extends AsyncDisposable {
  readonly pid: number
  /** One of the functions that the child serves. */
  call<T>(name: string, argument?: unknown): Promise<T>
}

/** Functions for the parent to call: one argument, one result, both as JSON has them. Ends with the parent. */
export function serve(functions: Readonly<Record<string, (argument: never) => unknown>>): void {
  process.on('disconnect', () => process.exit())
  process.on('message', ({ id, name, argument }: { id: number; name: string; argument: never }) => {
    void Promise.resolve(functions[name]!(argument)).then((value) => process.send!({ id, value }))
  })
}

export function startChild(file: string): Child {
  const child = fork(new URL(file, import.meta.url), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const waiting = new Map<number, (value: unknown) => void>()
  let calls = 0
  child.on('message', ({ id, value }: { id: number; value: unknown }) => {
    waiting.get(id)!(value)
    waiting.delete(id)
  })
  return {
    pid: child.pid!,
    call<T>(name: string, argument?: unknown): Promise<T> {
      assert(child.connected, `${file} has ended`)
      const { promise, resolve, reject } = Promise.withResolvers<T>()
      const timer = setTimeout(() => reject(new Error(`${file}: no answer to ${name}`)), ANSWER_MS)
      waiting.set(++calls, (value) => {
        clearTimeout(timer)
        resolve(value as T)
      })
      child.send({ id: calls, name, argument })
      return promise
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
  }
}

export interface Program extends AsyncDisposable {
  readonly pid: number
  /** Milliseconds from its start until it was ready. */
  readonly readyMs: number
  stop(): Promise<void>
}

/** `npm run build`'s output, which has no types to strip when it starts. */
export function builtProgram(): string {
  assert(existsSync(BUILT), 'there is no dist/: npm run build')
  const newest = Math.max(...globSync(`${ROOT}{src,bin}/**/*.ts`).map((path) => statSync(path).mtimeMs))
  if (newest > statSync(BUILT).mtimeMs) console.error('dist/ is older than src/; npm run build makes it anew')
  return BUILT
}

/** Node with these arguments, until something listens on the unix socket. */
export async function startProgram(args: readonly string[], socket: string): Promise<Program> {
  const from = performance.now()
  const child = spawn(process.execPath, args, { stdio: 'ignore', cwd: ROOT })
  while (!(await answers(socket))) {
    assert.equal(child.exitCode, null, `${args.join(' ')} has ended`)
    await delay(2)
  }
  const readyMs = performance.now() - from
  const stop = async (signal: NodeJS.Signals): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill(signal)
    await once(child, 'exit')
  }
  return { pid: child.pid!, readyMs, stop: () => stop('SIGTERM'), [Symbol.asyncDispose]: () => stop('SIGKILL') }
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path, () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}

/** Milliseconds of CPU that a process has used, in and for it. */
export function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS
}

/** Bytes in memory. */
export function residentBytes(pid: number): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) * 1024
}

/** Bytes sent on the connections that were accepted at a port, as TCP counts them. */
export async function sentBytes(port: number): Promise<number> {
  const { stdout } = await promisify(execFile)('ss', ['-tinH', `sport = :${port}`], { maxBuffer: 16 * 1024 * 1024 })
  return [...stdout.matchAll(/bytes_sent:(\d+)/g)].reduce((sum, [, bytes]) => sum + Number(bytes), 0)
}
