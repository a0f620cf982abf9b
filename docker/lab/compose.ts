/** docker and docker compose, as commands: what they print, and an error that says what failed. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'

export const PROJECT = 'banmesh-lab'
const FILE = join(import.meta.dirname, '../compose.yaml')
const COMPOSE = ['compose', '--file', FILE, '--profile', 'metrics']
const TIMEOUT_MS = 60_000
const OUTPUT_BYTES = 64 * 1024 * 1024
/** Of what a failed command said. */
const ERROR_LINES = 25

interface Output {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

interface ServiceConfig {
  readonly networks?: { readonly default?: { readonly ipv4_address?: string; readonly ipv6_address?: string } }
}

export interface Compose {
  /** Fails if docker is not there, or has no compose, or no server. */
  available(): Promise<void>
  /** `docker compose ARGS`, of the services without a profile. What it prints. */
  run(args: readonly string[], timeoutMs?: number): Promise<string>
  /** A command in a service's container; any exit status is an answer. */
  exec(service: string, argv: readonly string[]): Promise<Output>
  services(): Promise<Readonly<Record<string, ServiceConfig>>>
  imageBytes(service: string): Promise<number>
  /** Takes a service off the network, or puts it back with the addresses that it has in compose.yaml. */
  disconnect(service: string): Promise<void>
  connect(service: string): Promise<void>
  /** The last lines of every service. */
  logs(lines: number): Promise<string>
  /** Removes everything but the images. Goes on when the run is interrupted. */
  down(): Promise<void>
  /** What `down` should have removed. */
  leftovers(): Promise<string[]>
}

export function createCompose(interrupted: AbortSignal): Compose {
  async function docker(args: readonly string[], timeoutMs = TIMEOUT_MS, signal?: AbortSignal): Promise<string> {
    const { status, stdout, stderr } = await start(args, timeoutMs, signal)
    if (status === 0) return stdout
    const words = `${stdout}${stderr}`.trim().split('\n').slice(-ERROR_LINES).join('\n')
    throw new Error(`docker ${args.join(' ')}: exit status ${status}, ${words}`)
  }
  const run: Compose['run'] = (args, timeoutMs) => docker(['compose', '--file', FILE, ...args], timeoutMs, interrupted)
  const container = (service: string): string => `${PROJECT}-${service}-1`
  async function services(): Promise<Record<string, ServiceConfig>> {
    const { services: all } = JSON.parse(await run(['config', '--format', 'json'])) as {
      services: Record<string, ServiceConfig>
    }
    return all
  }
  return {
    run,
    services,
    async available() {
      await docker(['compose', 'version'])
      await docker(['version'])
    },
    exec: (service, argv) => start(['exec', container(service), ...argv], TIMEOUT_MS, interrupted),
    async imageBytes(service) {
      return Number(await docker(['image', 'inspect', '--format', '{{.Size}}', `${PROJECT}-${service}`]))
    },
    async disconnect(service) {
      await docker(['network', 'disconnect', `${PROJECT}_default`, container(service)])
    },
    async connect(service) {
      const { ipv4_address: ipv4, ipv6_address: ipv6 } = (await services())[service]!.networks!.default!
      const addresses = ['--ip', ipv4!, '--ip6', ipv6!, '--alias', service]
      await docker(['network', 'connect', ...addresses, `${PROJECT}_default`, container(service)])
    },
    logs: (lines) => docker([...COMPOSE, 'logs', '--no-color', '--tail', String(lines)]),
    async down() {
      await docker([...COMPOSE, 'down', '--volumes', '--remove-orphans'], 2 * TIMEOUT_MS)
    },
    async leftovers() {
      const ours = ['--filter', `label=com.docker.compose.project=${PROJECT}`]
      const lists = await Promise.all([
        docker(['ps', '--all', '--format', '{{.Names}}', ...ours]),
        docker(['volume', 'ls', '--format', '{{.Name}}', ...ours]),
        docker(['network', 'ls', '--format', '{{.Name}}', ...ours])
      ])
      return lists.flatMap((list) => list.split('\n').filter(Boolean))
    }
  }
}

/** In a process group of its own, so that Ctrl-C does not end what cleans up. */
function start(args: readonly string[], timeoutMs: number, signal: AbortSignal | undefined): Promise<Output> {
  return new Promise((resolve, reject) => {
    const options = { timeout: timeoutMs, maxBuffer: OUTPUT_BYTES, detached: true, ...(signal && { signal }) }
    execFile('docker', args, options, (error, stdout, stderr) => {
      if (error === null) return resolve({ status: 0, stdout, stderr })
      if (signal?.aborted === true) return reject(new Error('interrupted'))
      if (typeof error.code === 'number') return resolve({ status: error.code, stdout, stderr })
      const reason = error.killed === true ? `no end after ${timeoutMs / 1000} s` : error.message
      return reject(new Error(`docker ${args.join(' ')}: ${reason}`))
    })
  })
}
