/** Nodes behind real routers: Linux with NAT, and miniupnpd where the router opens ports. The addresses outside are public ones. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import type { FriendView, Identity, Why } from '../../src/control/api.ts'
import { createBanmesh, type Banmesh } from '../support/lab-banmesh.ts'
import { createNetwork, type Namespace, type Network, type Router } from '../support/lab-namespaces.ts'
import { createProcesses, run, type Processes } from '../support/lab-processes.ts'
import { requires } from '../support/requirements.ts'
import { until } from '../support/until.ts'

const LISTEN = ['/ip4/0.0.0.0/tcp/7337']
const SUBJECT = '203.0.114.7'
const PATIENCE_MS = 60_000

interface Lab {
  readonly folder: string
  readonly network: Network
  readonly processes: Processes
  node(name: string, namespace: Namespace): Promise<Banmesh>
}

async function createLab(t: TestContext): Promise<Lab> {
  const cleanup = new AsyncDisposableStack()
  t.after(() => cleanup.disposeAsync())
  const folder = cleanup.adopt(mkdtempSync(join(tmpdir(), 'banmesh-nat-')), (path) => rmSync(path, { recursive: true }))
  const network = cleanup.adopt(await createNetwork('45.78.0'), (value) => value.remove())
  const processes = cleanup.adopt(createProcesses(), (value) => value.end())
  return {
    folder,
    network,
    processes,
    node(name, namespace) {
      mkdirSync(join(folder, name))
      return createBanmesh(processes, name, namespace, join(folder, name))
    }
  }
}

test(
  'two friends behind two routers, which let nobody in, meet through a common friend, and warn each other',
  { skip: requires({ root: true, commands: ['ip', 'nft', 'setpriv', 'sysctl'] }) },
  async (t) => {
    const { network, node } = await createLab(t)
    const [left, right] = [await network.router('left', 21), await network.router('right', 22)]
    const relay = await node('relay', await network.plug('relay', 11))
    const inner = await left.plug('alice', 2)
    const alice = await node('alice', inner)
    const bob = await node('bob', await right.plug('bob', 2))
    relay.configure([], { listen: LISTEN, friends: [friend(alice), friend(bob)] })
    alice.configure([{ node: relay, trust: 80 }], { listen: LISTEN, friends: [friend(relay, true), friend(bob)] })
    bob.configure([{ node: relay, trust: 80 }], { listen: LISTEN, friends: [friend(relay, true), friend(alice)] })
    for (const one of [relay, alice, bob]) await one.start()
    const from = performance.now()
    const seen = await until(() => connected(bob, alice), 'bob and alice', PATIENCE_MS)
    t.diagnostic(`met after ${Math.round(performance.now() - from)} ms by ${seen.addresses[0]}`)
    assert.ok(seen.addresses[0]!.includes(`/p2p/${relay.peerId}/p2p-circuit`))

    await alice.cli('ban', SUBJECT)
    const why = await until(async () => {
      const answer = await bob.json<Why>('why', SUBJECT)
      return answer.evidence.some(({ path }) => path.length === 1) ? answer : null
    }, "alice's word, from herself")
    assert.equal(why.accepted, true)

    const dial = `require('net').connect({ host: '${inner.addresses.ipv4}', port: 7337, timeout: 500 })
      .on('timeout', () => process.exit(2)).on('connect', () => process.exit(0))`
    const dialled = await run(left.inside([process.execPath, '-e', dial]))
    assert.equal(dialled.status, 0, 'alice listens')
    const outside = await run(
      right.inside([process.execPath, '-e', dial.replace(inner.addresses.ipv4, left.addresses.ipv4)])
    )
    assert.notEqual(outside.status, 0, 'and the router lets nobody in')
  }
)

test(
  'a router that speaks UPnP opens a port: the friend outside is told the address, dials it, and the mapping goes with the node',
  { skip: requires({ root: true, commands: ['ip', 'nft', 'setpriv', 'sysctl', 'miniupnpd'] }) },
  async (t) => {
    const lab = await createLab(t)
    const router = await lab.network.router('router', 21)
    startUpnp(lab, router)
    const inside = await lab.node('inside', await router.plug('inside', 2))
    const outside = await lab.node('outside', await lab.network.plug('outside', 11))
    inside.configure([], { listen: LISTEN, friends: [friend(outside)], nat: { upnp: true, relay: false } })
    const daemon = await inside.start()
    const address = await until(
      async () =>
        (await inside.json<Identity>('id')).addresses.find((one) => one.startsWith(`/ip4/${router.addresses.ipv4}/`)),
      'the address of the router',
      PATIENCE_MS
    )
    t.diagnostic(address)

    // Only this side can dial: the other one has no address of it.
    outside.configure([], { friends: [{ ...friend(inside), addresses: [address] }] })
    await outside.start()
    await until(() => connected(inside, outside), 'the friend from outside', PATIENCE_MS)
    const ruleset = async () => (await run(router.inside(['nft', 'list', 'ruleset']))).stdout
    assert.match(await ruleset(), /dnat/)
    assert.equal(await daemon.stop(), 0)
    await until(async () => !/dnat ip to/.test(await ruleset()), 'the mapping to go', 20_000)
  }
)

function friend(node: Banmesh, withAddress = false): { id: string; name: string; trust: number; addresses: string[] } {
  return { id: node.peerId, name: node.name, trust: 80, addresses: withAddress ? [node.addresses[0]!] : [] }
}

async function connected(node: Banmesh, other: Banmesh): Promise<FriendView | null> {
  const view = (await node.get<FriendView[]>('/v1/friends')).find(({ id }) => id === other.peerId)
  return view?.connected === true ? view : null
}

function startUpnp({ folder, processes }: Lab, router: Router): void {
  const config = join(folder, 'miniupnpd.conf')
  const lines = ['ext_ifname=eth0', 'listening_ip=lan0', 'secure_mode=yes', 'system_uptime=yes', 'ipv6_disable=yes']
  const tables = ['upnp_table_name=filter', 'upnp_nat_table_name=filter', 'upnp_forward_chain=miniupnpd']
  const chains = ['upnp_nat_chain=prerouting_miniupnpd', 'upnp_nat_postrouting_chain=postrouting_miniupnpd']
  const allowed = ['allow 1024-65535 192.168.0.0/16 1024-65535', 'deny 0-65535 0.0.0.0/0 0-65535']
  writeFileSync(
    config,
    [...lines, ...tables, ...chains, 'uuid=00000000-0000-4000-8000-000000000001', ...allowed, ''].join('\n')
  )
  const pid = join(folder, 'miniupnpd.pid')
  processes.start(router.inside(['miniupnpd', '-d', '-f', config, '-P', pid]), { log: join(folder, 'miniupnpd.log') })
}
