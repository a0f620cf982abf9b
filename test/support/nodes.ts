/** Whole nodes on loopback: each a daemon with its files, in this process or in one of its own that can be killed. */
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, globSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Banned, FriendView, Status, VerdictView, Why } from '../../src/control/api.ts'
import { createControlClient, type ControlClient } from '../../src/control/client.ts'
import { createIdentity } from '../../src/daemon/identity.ts'
import type { Namespace } from './lab-namespaces.ts'
import { giveBackPort, takePort } from './ports.ts'
import { until } from './until.ts'

const MAIN = new URL('../../bin/banmesh.ts', import.meta.url).pathname

export interface NodeHandle {
  readonly name: string
  readonly dir: string
  readonly id: string
  readonly call: ControlClient
  /**
   * Puts the clock off by so much (`+5m`, `-30s`), through libfaketime: within a second if an earlier start had a clock put
   * off, else from the next start on. Null puts it right, from the next start on.
   */
  setClock(offset: string | null): void
  start(): Promise<void>
  stop(signal?: NodeJS.Signals): Promise<void>
  /** `kill -9`, without waiting for anything but the end of the process. */
  kill(): Promise<void>
  get<T>(path: string): Promise<T>
  ban(subject: string, ttlSeconds?: number): Promise<Banned>
  unban(subject: string): Promise<void>
  why(subject: string): Promise<Why>
  verdicts(): Promise<VerdictView[]>
  status(): Promise<Status>
  running(): boolean
  pid(): number
}

export interface MeshPlan {
  /** Who befriends whom, by name; each friendship is mutual unless only one side names it. */
  readonly friends: Readonly<Record<string, readonly string[]>>
  /** More keys for the config of a node. */
  readonly config?: (name: string) => Record<string, unknown>
  /** Friends of every node that are no nodes here. */
  readonly more?: readonly { readonly id: string; readonly name: string }[]
  /** Where each node runs, by name. Default: on loopback. */
  readonly places?: ReadonlyMap<string, Namespace>
}

export interface MeshHandle extends AsyncDisposable {
  readonly nodes: readonly NodeHandle[]
  node(name: string): NodeHandle
  start(): Promise<void>
  /** Until every friend of every running node is connected. */
  connected(): Promise<void>
  dispose(): Promise<void>
}

export function createMesh(plan: MeshPlan): MeshHandle {
  const root = mkdtempSync(join(tmpdir(), 'banmesh-nodes-'))
  const names = Object.keys(plan.friends)
  const made = names.map((name) => {
    const dir = join(root, name)
    mkdirSync(dir)
    const identity = createIdentity(join(dir, 'identity.key'))
    assert(identity.ok)
    const place = plan.places?.get(name)
    const port = place === undefined ? takePort() : PLACE_PORT
    const address = `/ip4/${place?.addresses.ipv4 ?? '127.0.0.1'}/tcp/${port}`
    return { name, dir, id: identity.value.peerId, port, address, place }
  })
  for (const { name, dir, address } of made) {
    const friends = made.filter((other) => plan.friends[name]!.includes(other.name))
    const config = {
      network: 'test',
      dataDir: '.',
      listen: [address],
      control: 'control.sock',
      friends: [
        ...friends.map((friend) => ({
          id: friend.id,
          name: friend.name,
          trust: 80,
          addresses: [friend.address]
        })),
        ...(plan.more ?? []).map((friend) => ({ ...friend, trust: 80 }))
      ],
      discovery: { dht: false },
      protectReserved: false,
      handoff: { log: { path: 'bans.log' } },
      web: false,
      ...plan.config?.(name)
    }
    writeFileSync(join(dir, 'banmesh.yaml'), JSON.stringify(config, null, 2))
  }
  const nodes = made.map(createNode)
  const dispose = async (): Promise<void> => {
    await Promise.all(nodes.map((node) => node.kill()))
    for (const { port, place } of made) if (place === undefined) giveBackPort(port)
    rmSync(root, { recursive: true, force: true })
  }
  return {
    nodes,
    node: (name) => nodes.find((node) => node.name === name)!,
    async start() {
      await Promise.all(nodes.map((node) => node.start()))
    },
    async connected() {
      const running = new Set(nodes.filter((node) => node.running()).map(({ id }) => id))
      await Promise.all(
        nodes
          .filter((node) => node.running())
          .map((node) =>
            until(
              async () => {
                const friends = await node.get<FriendView[]>('/v1/friends')
                return friends.every(({ id, connected }) => connected || !running.has(id))
              },
              `all friends of ${node.name}`,
              60_000
            )
          )
      )
    },
    dispose,
    [Symbol.asyncDispose]: dispose
  }
}

interface Made {
  readonly name: string
  readonly dir: string
  readonly id: string
  readonly place: Namespace | undefined
}

function createNode({ name, dir, id, place }: Made): NodeHandle {
  const call = createControlClient({ socketPath: join(dir, 'control.sock'), timeoutMs: 20_000 })
  const clock = join(dir, 'clock')
  let child: ChildProcess | null = null

  async function request<T>(method: 'GET' | 'POST' | 'DELETE', path: string, body?: unknown): Promise<T> {
    const answer = await call({ method, path, ...(body === undefined ? {} : { body }) })
    assert(answer.ok, `${name} ${method} ${path}: ${JSON.stringify(answer)}`)
    return answer.body as T
  }

  async function end(signal: NodeJS.Signals): Promise<void> {
    if (child === null || child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    process.kill(-child.pid!, signal)
    await ended
  }

  const node: NodeHandle = {
    name,
    dir,
    id,
    call,
    async start() {
      const log = openSync(join(dir, 'daemon.log'), 'a')
      const command = [process.execPath, MAIN, '--config', join(dir, 'banmesh.yaml'), 'run']
      const [program, ...args] = place === undefined ? command : place.inside(command)
      const env = existsSync(clock) ? { ...process.env, ...clockFrom(clock) } : process.env
      child = spawn(program!, args, { stdio: ['ignore', log, log], detached: true, env })
      closeSync(log)
      await until(
        async () => {
          assert.equal(child!.exitCode, null, `${name} has ended; see ${dir}/daemon.log`)
          return (await call({ method: 'GET', path: '/v1/id' })).ok
        },
        `${name} to answer`,
        60_000
      )
    },
    setClock(offset) {
      if (offset === null) rmSync(clock, { force: true })
      else writeFileSync(clock, `${offset}\n`)
    },
    stop: (signal = 'SIGTERM') => end(signal),
    kill: () => end('SIGKILL'),
    get: (path) => request('GET', path),
    ban: (subject, ttlSeconds = 3600) => request('POST', '/v1/bans', { subject, ttlSeconds }),
    async unban(subject) {
      await request('DELETE', `/v1/bans/${encodeURIComponent(subject)}`)
    },
    why: (subject) => request('GET', `/v1/why/${encodeURIComponent(subject)}`),
    verdicts: () => request('GET', '/v1/verdicts?all=true'),
    status: () => request('GET', '/v1/status'),
    pid: () => child!.pid!,
    running: () => child !== null && child.exitCode === null && child.signalCode === null
  }
  return node
}

/** In a namespace of its own a node has every port. */
const PLACE_PORT = 7337

/** Where packages of `faketime` put its library. */
const FAKETIME = '/usr{,/local}/lib{64,/*,}/faketime/libfaketimeMT.so.1'

/**
 * Environment of a process whose wall clock is off as the file says; its timers go on as they should. Not by the command
 * `faketime`, which leaves a semaphore behind when it is killed, and fails for the next process of the same number.
 */
function clockFrom(file: string): NodeJS.ProcessEnv {
  const [library] = globSync(FAKETIME)
  assert(library !== undefined, 'libfaketime')
  return {
    LD_PRELOAD: library,
    FAKETIME_TIMESTAMP_FILE: file,
    FAKETIME_CACHE_DURATION: '1',
    FAKETIME_DONT_FAKE_MONOTONIC: '1'
  }
}
