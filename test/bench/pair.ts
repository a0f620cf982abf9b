/** Two friends in namespaces, each with a real fail2ban and a real firewall: what happens at A has to end in B's kernel. */
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Status } from '../../src/control/api.ts'
import { createControlClient, type ControlClient } from '../../src/control/client.ts'
import { createBanmesh, environmentOf, type Banmesh } from '../support/lab-banmesh.ts'
import {
  startFail2ban,
  writeFail2banFiles,
  type Fail2ban,
  type Fail2banFiles,
  type Jail
} from '../support/lab-fail2ban.ts'
import { createNetwork, type Namespace, type Network } from '../support/lab-namespaces.ts'
import { createProcesses, type Processes } from '../support/lab-processes.ts'
import { until } from '../support/until.ts'

export interface PairNode {
  readonly dir: string
  readonly namespace: Namespace
  readonly banmesh: Banmesh
  readonly fail2ban: Fail2ban
  readonly call: ControlClient
}

export interface Pair extends AsyncDisposable {
  readonly a: PairNode
  readonly b: PairNode
  readonly network: Network
  readonly processes: Processes
}

export interface PairOptions {
  /** The `handoff` of a node's config; A hands nothing over unless it says so. */
  readonly handoff: (files: Fail2banFiles, banmesh: Banmesh) => object
  /** Jails of either besides `sshd`, which nothing feeds, and `banmesh`. */
  readonly jails?: (dir: string) => Readonly<Record<string, Jail>>
  readonly config?: Readonly<Record<string, unknown>>
}

export async function createPair({ handoff, jails = () => ({}), config = {} }: PairOptions): Promise<Pair> {
  await using cleanup = new AsyncDisposableStack()
  const folder = cleanup.adopt(mkdtempSync(join(tmpdir(), 'banmesh-bench-')), (path) =>
    rmSync(path, { recursive: true, force: true })
  )
  const network = cleanup.adopt(await createNetwork(), (value) => value.remove())
  const processes = cleanup.adopt(createProcesses(), (value) => value.end())
  const grounds = await Promise.all(
    ['a', 'b'].map(async (name, index) => {
      const dir = join(folder, name)
      mkdirSync(dir)
      const namespace = await network.plug(name, 11 + index)
      return { dir, namespace, banmesh: await createBanmesh(processes, name, namespace, dir) }
    })
  )
  const nodes: PairNode[] = []
  for (const [index, ground] of grounds.entries()) {
    const { dir, namespace, banmesh } = ground
    const files = writeFail2banFiles(dir)
    await banmesh.cli('install', '--root', dir)
    const own = index === 0 ? { log: false } : handoff(files, banmesh)
    banmesh.configure([{ node: grounds[1 - index]!.banmesh, trust: 80 }], { handoff: own, ...config })
    await banmesh.start()
    const sections = {
      sshd: { ...DETECTING, action: '%(action_)s\nbanmesh' },
      banmesh: { logpath: `${banmesh.bansLog}\n${files.config}/filter.d/banmesh.conf`, bantime: '1d' },
      ...jails(dir)
    }
    const fail2ban = await startFail2ban(processes, namespace, files, sections, environmentOf(banmesh.config, dir))
    const call = createControlClient({ socketPath: join(dir, 'control.sock'), timeoutMs: 60_000 })
    nodes.push({ ...ground, fail2ban, call })
  }
  const [a, b] = nodes as [PairNode, PairNode]
  const friends = async ({ banmesh }: PairNode): Promise<boolean> =>
    (await banmesh.get<Status>('/v1/status')).friends.connected === 1
  await until(async () => (await friends(a)) && (await friends(b)), 'the friends', 60_000)
  const all = cleanup.move()
  return { a, b, network, processes, [Symbol.asyncDispose]: () => all.disposeAsync() }
}

/** A jail that bans what it is told to. */
export const DETECTING: Jail = { enabled: true, port: 7000, backend: 'polling', logpath: '/dev/null', bantime: '1d' }

export interface Kernel {
  /** When (`performance.now()`) the element came into any set; asked before it does. */
  has(address: string): Promise<number>
  end(): void
}

/** What the kernel itself tells of new elements, by one `nft monitor`: nobody has to ask it over and over. */
export function watchKernel(namespace: Namespace): Kernel {
  const [program, ...args] = namespace.inside(['nft', 'monitor', 'new', 'elements'])
  const child = spawn(program!, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const waiting = new Map<string, (at: number) => void>()
  createInterface({ input: child.stdout }).on('line', (text) => {
    const at = performance.now()
    const [, address] = /^add element .*\{ ([0-9a-f.:]+)/.exec(text) ?? []
    if (address !== undefined) waiting.get(address)?.(at)
  })
  return {
    has(address) {
      const { promise, resolve } = Promise.withResolvers<number>()
      waiting.set(address, resolve)
      return promise
    },
    end: () => void child.kill('SIGKILL')
  }
}
