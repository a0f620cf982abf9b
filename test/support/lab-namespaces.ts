/**
 * Network namespaces on a bridge: the bridge has a namespace of its own, so neither the host's interfaces nor its
 * firewall are touched, nothing leaves the lab, and labs that run side by side may use the same addresses.
 */
import { runOk } from './lab-processes.ts'

/** Names are `bm-<pid of the test>-<lab>-<name>`: two runs never collide, and leftovers say whose they were. */
const NAME = /^bm-(\d+)-\S+/
let labs = 0

export interface Addresses {
  readonly ipv4: string
  readonly ipv6: string
}

export interface Namespace {
  readonly addresses: Addresses
  /** The argv that runs `argv` in this namespace. */
  inside(argv: readonly string[]): string[]
}

export interface Network {
  /** Adds a namespace with one interface on the bridge: 10.78.0.`host`/24 and fd78::`host`/64. */
  plug(name: string, host: number): Promise<Namespace>
  /** Drops everything between the two groups of names, silently, as a broken route does. */
  partition(left: readonly string[], right: readonly string[]): Promise<void>
  heal(): Promise<void>
  /** Ends whatever still runs in the namespaces and removes them. */
  remove(): Promise<void>
}

export async function createNetwork(): Promise<Network> {
  await removeLeftovers()
  labs += 1
  const prefix = `bm-${process.pid}-${labs}`
  const bridge = `${prefix}-switch`
  const names = [bridge]
  await runOk(['ip', 'netns', 'add', bridge])
  await runOk(['ip', '-n', bridge, 'link', 'add', 'br0', 'type', 'bridge', 'forward_delay', '0'])
  await runOk(['ip', '-n', bridge, 'link', 'set', 'br0', 'up'])
  return {
    async plug(name, host) {
      const netns = `${prefix}-${name}`
      const addresses = { ipv4: `10.78.0.${host}`, ipv6: `fd78::${host}` }
      names.push(netns)
      await runOk(['ip', 'netns', 'add', netns])
      const port = ['type', 'veth', 'peer', 'name', name, 'netns', bridge]
      await runOk(['ip', 'link', 'add', 'eth0', 'netns', netns, ...port])
      await runOk(['ip', '-n', bridge, 'link', 'set', 'dev', name, 'master', 'br0', 'up'])
      await runOk(['ip', '-n', netns, 'addr', 'add', `${addresses.ipv4}/24`, 'dev', 'eth0'])
      await runOk(['ip', '-n', netns, 'addr', 'add', `${addresses.ipv6}/64`, 'dev', 'eth0', 'nodad'])
      await runOk(['ip', '-n', netns, 'link', 'set', 'lo', 'up'])
      await runOk(['ip', '-n', netns, 'link', 'set', 'eth0', 'up'])
      return { addresses, inside: (argv) => ['ip', 'netns', 'exec', netns, ...argv] }
    },
    async partition(left, right) {
      const nft = (...words: string[]) => runOk(['ip', 'netns', 'exec', bridge, 'nft', ...words])
      await nft('add', 'table', 'bridge', 'lab')
      await nft('add', 'chain', 'bridge', 'lab', 'cut', '{ type filter hook forward priority 0; }')
      for (const [from, to] of [
        [left, right],
        [right, left]
      ] as const) {
        await nft('add', 'rule', 'bridge', 'lab', 'cut', 'iifname', setOf(from), 'oifname', setOf(to), 'drop')
      }
    },
    async heal() {
      await runOk(['ip', 'netns', 'exec', bridge, 'nft', 'delete', 'table', 'bridge', 'lab'])
    },
    async remove() {
      for (const name of names) {
        for (const pid of await pidsIn(name)) endProcess(pid)
        await runOk(['ip', 'netns', 'del', name])
      }
    }
  }
}

function setOf(names: readonly string[]): string {
  return `{ ${names.join(', ')} }`
}

/** A killed run leaves its namespaces behind, without processes: see `--pdeathsig` in lab-processes.ts. */
async function removeLeftovers(): Promise<void> {
  for (const line of (await runOk(['ip', 'netns', 'list'])).split('\n')) {
    const [name, pid] = NAME.exec(line.split(' ')[0]!) ?? []
    if (name === undefined || isAlive(Number(pid))) continue
    if ((await pidsIn(name)).length === 0) await runOk(['ip', 'netns', 'del', name])
  }
}

async function pidsIn(name: string): Promise<number[]> {
  return (await runOk(['ip', 'netns', 'pids', name])).split('\n').filter(Boolean).map(Number)
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** It may have ended by itself since it was listed. */
function endProcess(pid: number): void {
  if (isAlive(pid)) process.kill(pid, 'SIGKILL')
}
