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

/** A router for one network behind it, 192.168.`host`.0/24, whose hosts nobody outside can dial (NAT). */
export interface Router extends Namespace {
  /** Adds a namespace behind it: 192.168.`host of the router`.`host`, IPv4 only. */
  plug(name: string, host: number): Promise<Namespace>
}

export interface Network {
  /** Adds a namespace with one interface on the bridge: 10.78.0.`host`/24 and fd78::`host`/64. */
  plug(name: string, host: number): Promise<Namespace>
  router(name: string, host: number): Promise<Router>
  /** Drops everything between the two groups of names, silently, as a broken route does. */
  partition(left: readonly string[], right: readonly string[]): Promise<void>
  heal(): Promise<void>
  /** Ends whatever still runs in the namespaces and removes them. */
  remove(): Promise<void>
}

/** `prefix`: of the IPv4 addresses on the bridge; a lab that needs public ones takes others than the default. */
export async function createNetwork(prefix = '10.78.0'): Promise<Network> {
  await removeLeftovers()
  labs += 1
  const lab = `bm-${process.pid}-${labs}`
  const bridge = `${lab}-switch`
  const names = [bridge]
  await runOk(['ip', 'netns', 'add', bridge])
  await runOk(['ip', '-n', bridge, 'link', 'add', 'br0', 'type', 'bridge', 'forward_delay', '0'])
  await runOk(['ip', '-n', bridge, 'link', 'set', 'br0', 'up'])
  async function add(name: string): Promise<string> {
    const netns = `${lab}-${name}`
    names.push(netns)
    await runOk(['ip', 'netns', 'add', netns])
    await runOk(['ip', '-n', netns, 'link', 'set', 'lo', 'up'])
    return netns
  }

  async function plug(name: string, host: number): Promise<Namespace> {
    const netns = await add(name)
    const addresses = { ipv4: `${prefix}.${host}`, ipv6: `fd78::${host}` }
    const port = ['type', 'veth', 'peer', 'name', name, 'netns', bridge]
    await runOk(['ip', 'link', 'add', 'eth0', 'netns', netns, ...port])
    await runOk(['ip', '-n', bridge, 'link', 'set', 'dev', name, 'master', 'br0', 'up'])
    await runOk(['ip', '-n', netns, 'addr', 'add', `${addresses.ipv4}/24`, 'dev', 'eth0'])
    await runOk(['ip', '-n', netns, 'addr', 'add', `${addresses.ipv6}/64`, 'dev', 'eth0', 'nodad'])
    await runOk(['ip', '-n', netns, 'link', 'set', 'eth0', 'up'])
    return { addresses, inside: (argv) => ['ip', 'netns', 'exec', netns, ...argv] }
  }

  return {
    plug,
    async router(name, host) {
      const router = await plug(name, host)
      const lan = `192.168.${host}`
      const netns = `${lab}-${name}`
      await runOk(['ip', '-n', netns, 'link', 'add', 'lan0', 'type', 'bridge', 'forward_delay', '0'])
      await runOk(['ip', '-n', netns, 'addr', 'add', `${lan}.1/24`, 'dev', 'lan0'])
      await runOk(['ip', '-n', netns, 'link', 'set', 'lan0', 'up'])
      await runOk(router.inside(['sysctl', '-qw', 'net.ipv4.ip_forward=1']))
      await runOk(router.inside(['nft', NAT]))
      return {
        ...router,
        async plug(inner, number) {
          const behind = await add(inner)
          const ipv4 = `${lan}.${number}`
          await runOk([
            'ip',
            'link',
            'add',
            'eth0',
            'netns',
            behind,
            'type',
            'veth',
            'peer',
            'name',
            inner,
            'netns',
            netns
          ])
          await runOk(['ip', '-n', netns, 'link', 'set', 'dev', inner, 'master', 'lan0', 'up'])
          await runOk(['ip', '-n', behind, 'addr', 'add', `${ipv4}/24`, 'dev', 'eth0'])
          await runOk(['ip', '-n', behind, 'link', 'set', 'eth0', 'up'])
          await runOk(['ip', '-n', behind, 'route', 'add', 'default', 'via', `${lan}.1`])
          return { addresses: { ipv4, ipv6: '::1' }, inside: (argv) => ['ip', 'netns', 'exec', behind, ...argv] }
        }
      }
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

/** As a router at home: out with its own address, and in only what was asked for. The empty chains are miniupnpd's. */
const NAT = `
table inet filter {
  chain miniupnpd { }
  chain prerouting_miniupnpd { }
  chain postrouting_miniupnpd { }
  chain forward {
    type filter hook forward priority filter;
    ct state established,related accept
    iifname "eth0" jump miniupnpd
    iifname "eth0" drop
  }
  chain prerouting { type nat hook prerouting priority dstnat; jump prerouting_miniupnpd; }
  chain postrouting { type nat hook postrouting priority srcnat; jump postrouting_miniupnpd; oifname "eth0" masquerade; }
}
`

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
