/** A banmesh node in a namespace: the daemon and the commands, run from source. */
import { once } from 'node:events'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { get as httpGet, type IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'
import type { Namespace } from './lab-namespaces.ts'
import { runOk, type LabProcess, type Processes } from './lab-processes.ts'
import { until } from './until.ts'

const BANMESH = [process.execPath, join(import.meta.dirname, '../../bin/banmesh.ts')]
const CONTROL = 'control.sock'
const START_MS = 20_000

export interface BanmeshFriend {
  readonly node: Banmesh
  readonly trust: number
}

export interface Banmesh {
  readonly name: string
  readonly peerId: string
  /** Where this node listens. */
  readonly addresses: readonly string[]
  readonly config: string
  /** The watched log of the hand-off. */
  readonly bansLog: string
  readonly log: string
  /** Writes the config; `more` adds to it or replaces its top-level keys. */
  configure(friends: readonly BanmeshFriend[], more?: Readonly<Record<string, unknown>>): void
  /** Starts the daemon; resolves when it answers. */
  start(): Promise<LabProcess>
  /** What a command prints; it has to succeed. */
  cli(...args: string[]): Promise<string>
  /** The document that a command prints with `--json`; it has to succeed. */
  json<T>(...args: string[]): Promise<T>
  /** Asks the control socket: faster than a command, for what is polled or timed. */
  get<T>(path: string): Promise<T>
}

export async function createBanmesh(
  processes: Processes,
  name: string,
  namespace: Namespace,
  folder: string
): Promise<Banmesh> {
  const config = join(folder, 'banmesh.yaml')
  const log = join(folder, 'daemon.log')
  const bansLog = join(folder, 'bans.log')
  const { ipv4, ipv6 } = namespace.addresses
  const addresses = [`/ip4/${ipv4}/tcp/7337`, `/ip6/${ipv6}/tcp/7337`]
  const cli = (...args: string[]): Promise<string> => runOk([...BANMESH, '--config', config, ...args])
  const [peerId] = /12D3KooW\w+/.exec(await cli('init', '--dir', folder)) ?? []
  if (peerId === undefined) throw new Error('init does not print the peer ID')
  async function get<T>(path: string): Promise<T> {
    const [response] = (await once(httpGet({ socketPath: join(folder, CONTROL), path }), 'response')) as [
      IncomingMessage
    ]
    return (await json(response)) as T
  }
  return {
    name,
    peerId,
    addresses,
    config,
    bansLog,
    log,
    configure(friends, more = {}) {
      const values = {
        network: 'lab',
        dataDir: '.',
        listen: addresses,
        control: CONTROL,
        friends: friends.map(({ node, trust }) => ({
          id: node.peerId,
          name: node.name,
          trust,
          addresses: node.addresses
        })),
        discovery: { dht: false },
        protectReserved: false,
        handoff: { log: { path: bansLog } },
        web: false,
        ...more
      }
      // JSON is YAML.
      writeFileSync(config, `${JSON.stringify(values, null, 2)}\n`)
    },
    async start() {
      const daemon = processes.start(namespace.inside([...BANMESH, '--config', config, 'run']), { log })
      // The socket's file is there before anybody listens on it, and after a crash.
      const answers = () => get('/v1/id').then(Boolean, () => false)
      await until(answers, `the daemon of ${name}`, START_MS)
      return daemon
    },
    cli,
    json: async <T>(...args: string[]) => JSON.parse(await cli('--json', ...args)) as T,
    get
  }
}

/** An environment in which fail2ban's action finds this checkout's `banmesh` and the node's config. */
export function environmentOf(config: string, folder: string): NodeJS.ProcessEnv {
  const bin = join(folder, 'bin')
  const command = join(bin, 'banmesh')
  mkdirSync(bin)
  writeFileSync(command, `#!/bin/sh\nexec ${BANMESH.join(' ')} "$@"\n`)
  chmodSync(command, 0o755)
  return { ...process.env, PATH: `${bin}:${process.env['PATH']}`, BANMESH_CONFIG: config }
}
