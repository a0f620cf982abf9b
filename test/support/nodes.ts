/** Whole nodes on loopback: each a daemon with its files, in this process or in one of its own that can be killed. */
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, openSync, closeSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Banned, FriendView, Status, VerdictView, Why } from '../../src/control/api.ts'
import { createControlClient, type ControlClient } from '../../src/control/client.ts'
import { createIdentity } from '../../src/daemon/identity.ts'
import { until } from './until.ts'

const MAIN = new URL('../../bin/banmesh.ts', import.meta.url).pathname

export interface NodeHandle {
  readonly name: string
  readonly dir: string
  readonly id: string
  readonly call: ControlClient
  /** Milliseconds by which the next start's clock is off, through `faketime`. */
  faketime?: string
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
}

export interface MeshHandle extends AsyncDisposable {
  readonly nodes: readonly NodeHandle[]
  node(name: string): NodeHandle
  start(): Promise<void>
  /** Until every friend of every running node is connected. */
  connected(): Promise<void>
  dispose(): Promise<void>
}

/** Free enough, and below the ports that the kernel gives to outgoing connections: the ports are fixed before the start so that friends can be configured with addresses. */
function portOf(index: number): number {
  return 20_000 + ((process.pid * 37 + index * 101 + nextBase) % 12_000)
}
let nextBase = 0

export function createMesh(plan: MeshPlan): MeshHandle {
  const root = mkdtempSync(join(tmpdir(), 'banmesh-nodes-'))
  const names = Object.keys(plan.friends)
  nextBase += 1009
  const made = names.map((name, index) => {
    const dir = join(root, name)
    mkdirSync(dir)
    const identity = createIdentity(join(dir, 'identity.key'))
    assert(identity.ok)
    return { name, dir, id: identity.value.peerId, port: portOf(index) }
  })
  for (const { name, dir, port } of made) {
    const friends = made.filter((other) => plan.friends[name]!.includes(other.name))
    const config = {
      network: 'test',
      dataDir: '.',
      listen: [`/ip4/127.0.0.1/tcp/${port}`],
      control: 'control.sock',
      friends: [
        ...friends.map((friend) => ({
          id: friend.id,
          name: friend.name,
          trust: 80,
          addresses: [`/ip4/127.0.0.1/tcp/${friend.port}`]
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

function createNode({ name, dir, id }: { name: string; dir: string; id: string }): NodeHandle {
  const call = createControlClient({ socketPath: join(dir, 'control.sock'), timeoutMs: 20_000 })
  let child: ChildProcess | null = null

  async function request<T>(method: 'GET' | 'POST' | 'DELETE', path: string, body?: unknown): Promise<T> {
    const answer = await call({ method, path, ...(body === undefined ? {} : { body }) })
    assert(answer.ok, `${name} ${method} ${path}: ${JSON.stringify(answer)}`)
    return answer.body as T
  }

  async function end(signal: NodeJS.Signals): Promise<void> {
    if (child === null || child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    // The whole group: faketime is a parent of the daemon.
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
      const [program, ...args] = node.faketime === undefined ? command : ['faketime', '-f', node.faketime, ...command]
      child = spawn(program!, args, { stdio: ['ignore', log, log], detached: true })
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
