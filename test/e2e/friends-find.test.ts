/** Friends who know nothing of each other but peer IDs, each on a host of its own: how they find each other, and keep doing so. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test, type TestContext } from 'node:test'
import type { FriendView, Identity, Status, Why } from '../../src/control/api.ts'
import { createBanmesh, type Banmesh } from '../support/lab-banmesh.ts'
import { createNetwork, type Namespace } from '../support/lab-namespaces.ts'
import { createProcesses, runOk, type LabProcess } from '../support/lab-processes.ts'
import { requires } from '../support/requirements.ts'
import { until } from '../support/until.ts'

const skip = requires({ root: true, commands: ['ip', 'nft', 'setpriv'] })
const NODES = 20
/** Each is a friend of the next ones on the ring at these distances. */
const DISTANCES = [1, 5]
const LISTEN = ['/ip4/0.0.0.0/tcp/7337']
const STARTS = 4
const PATIENCE_MS = 120_000

interface Host {
  readonly namespace: Namespace
  readonly banmesh: Banmesh
  daemon: LabProcess | null
}

async function lab(t: TestContext, names: readonly string[]): Promise<Host[]> {
  const cleanup = new AsyncDisposableStack()
  t.after(() => cleanup.disposeAsync())
  const folder = cleanup.adopt(mkdtempSync(join(tmpdir(), 'banmesh-find-')), (path) =>
    rmSync(path, { recursive: true })
  )
  const network = cleanup.adopt(await createNetwork(), (value) => value.remove())
  const processes = cleanup.adopt(createProcesses(), (value) => value.end())
  const hosts: Host[] = []
  for (const [i, name] of names.entries()) {
    const namespace = await network.plug(name, 11 + i)
    mkdirSync(join(folder, name))
    hosts.push({
      namespace,
      banmesh: await createBanmesh(processes, name, namespace, join(folder, name)),
      daemon: null
    })
  }
  return hosts
}

function friendsOf(hosts: readonly Host[]): Record<string, unknown>[] {
  return hosts.map(({ banmesh }) => ({ id: banmesh.peerId, name: banmesh.name, trust: 80 }))
}

async function start(host: Host): Promise<void> {
  host.daemon = await host.banmesh.start()
}

/** A few at a time: a start takes a second of a core. */
async function startAll(hosts: readonly Host[]): Promise<void> {
  for (let i = 0; i < hosts.length; i += STARTS) await Promise.all(hosts.slice(i, i + STARTS).map(start))
}

async function allConnected(hosts: readonly Host[]): Promise<void> {
  for (const { banmesh } of hosts) {
    await until(
      async () =>
        (await banmesh.get<FriendView[]>('/v1/friends').catch(() => null))?.every(({ connected }) => connected),
      `all friends of ${banmesh.name}`,
      PATIENCE_MS
    )
  }
}

test(
  'twenty nodes that know peer IDs and a bootstrap node find all friends, and again when it is gone and others have moved',
  { skip },
  async (t) => {
    const names = Array.from({ length: NODES }, (_, i) => `n${i}`)
    const [bootstrap, ...nodes] = (await lab(t, ['boot', ...names])) as [Host, ...Host[]]
    const discovery = {
      dht: true,
      bootstrap: [`/ip4/${bootstrap.namespace.addresses.ipv4}/tcp/7337/p2p/${bootstrap.banmesh.peerId}`]
    }
    bootstrap.banmesh.configure([], { listen: LISTEN, discovery: { dht: true } })
    for (const [i, { banmesh }] of nodes.entries()) {
      const friends = DISTANCES.flatMap((d) => [nodes[(i + d) % NODES]!, nodes[(i + NODES - d) % NODES]!])
      banmesh.configure([], { listen: LISTEN, discovery, friends: friendsOf(friends) })
    }
    await start(bootstrap)
    await startAll(nodes)
    const from = performance.now()
    await allConnected(nodes)
    const friendships = NODES * DISTANCES.length
    t.diagnostic(`${friendships} friendships of ${NODES} nodes: all up ${seconds(from)} after the last node was`)
    assert.equal((await bootstrap.banmesh.get<Status>('/v1/status')).friends.total, 0)

    await bootstrap.daemon!.stop()
    const movers = nodes.filter((_, i) => i % 3 === 0)
    await Promise.all(movers.map(({ daemon }) => daemon!.stop()))
    for (const [i, { namespace }] of movers.entries()) {
      await runOk(namespace.inside(['ip', 'addr', 'flush', 'dev', 'eth0']))
      await runOk(namespace.inside(['ip', 'addr', 'add', `10.78.0.${101 + i}/24`, 'dev', 'eth0']))
    }
    await startAll(movers)
    const again = performance.now()
    await allConnected(nodes)
    t.diagnostic(
      `the bootstrap node dead, ${movers.length} nodes at new addresses: all up again after ${seconds(again)}`
    )
  }
)

test(
  'two friends whom nobody can dial meet through a common friend; a stranger is refused, and seen',
  { skip },
  async (t) => {
    const [relay, alice, bob, eve] = (await lab(t, ['relay', 'alice', 'bob', 'eve'])) as [Host, Host, Host, Host]
    for (const { namespace } of [alice, bob]) {
      await runOk(namespace.inside(['nft', 'add', 'table', 'inet', 'nat']))
      await runOk(
        namespace.inside(['nft', 'add', 'chain', 'inet', 'nat', 'in', '{ type filter hook input priority 0; }'])
      )
      await runOk(namespace.inside(['nft', 'add', 'rule', 'inet', 'nat', 'in', 'tcp', 'dport', '7337', 'drop']))
    }
    const reachable = { id: relay.banmesh.peerId, name: 'relay', trust: 80, addresses: relay.banmesh.addresses }
    const discovery = { dht: false }
    relay.banmesh.configure([], { listen: LISTEN, discovery, friends: friendsOf([alice, bob]) })
    alice.banmesh.configure([], { listen: LISTEN, discovery, friends: [reachable, ...friendsOf([bob])] })
    bob.banmesh.configure([], { listen: LISTEN, discovery, friends: [reachable, ...friendsOf([alice])] })
    // eve has added them, and nobody has added eve.
    eve.banmesh.configure([], { listen: LISTEN, discovery, friends: [reachable, ...friendsOf([bob])] })
    await startAll([relay, alice, bob, eve])
    const from = performance.now()
    await allConnected([alice, bob])
    t.diagnostic(`connected through the relay ${seconds(from)} after the start`)
    const friends = await alice.banmesh.get<FriendView[]>('/v1/friends')
    const way = friends.find(({ name }) => name === 'bob')!.addresses[0]!
    assert.ok(way.includes(`/p2p/${relay.banmesh.peerId}/p2p-circuit`), way)

    await bob.banmesh.cli('ban', '198.51.100.1')
    const why = await until(
      async () => [await alice.banmesh.get<Why>('/v1/why/198.51.100.1')].find(({ evidence }) => evidence.length === 2),
      'the ban, from bob himself and told by the relay'
    )
    const paths = why.evidence.map(({ path }) => path.map(({ name }) => name).join(' '))
    assert.deepEqual(paths.sort(), ['bob', 'relay bob'])
    assert.equal(why.accepted, true)

    const waiting = async (): Promise<boolean> =>
      (await eve.banmesh.get<FriendView[]>('/v1/friends')).some(({ name, waiting: waits }) => name === 'relay' && waits)
    await until(waiting, 'eve to know that she has to wait', PATIENCE_MS)
    const { knocks } = await relay.banmesh.get<Status>('/v1/status')
    assert.deepEqual(
      knocks.map(({ id }) => id),
      [eve.banmesh.peerId]
    )
    assert.equal((await eve.banmesh.get<Status>('/v1/status')).friends.connected, 0)
  }
)

function seconds(since: number): string {
  return `${((performance.now() - since) / 1000).toFixed(1)} s`
}

test(
  'friends in one local network find each other by mDNS, with a network key that nobody gets past without',
  { skip },
  async (t) => {
    const [alice, bob, eve] = (await lab(t, ['alice', 'bob', 'eve'])) as [Host, Host, Host]
    const keyFile = join(dirname(alice.banmesh.config), 'network.key')
    await alice.banmesh.cli('id', 'network-key', keyFile)
    const discovery = { dht: false, mdns: true }
    const more = { listen: LISTEN, discovery, networkKey: keyFile }
    alice.banmesh.configure([], { ...more, friends: friendsOf([bob, eve]) })
    bob.banmesh.configure([], { ...more, friends: friendsOf([alice]) })
    // A friend, but without the key.
    eve.banmesh.configure([], { listen: LISTEN, discovery, friends: friendsOf([alice]) })
    // Multicast goes where the default route goes.
    for (const { namespace } of [alice, bob, eve]) {
      await runOk(namespace.inside(['ip', 'route', 'add', 'default', 'dev', 'eth0']))
    }
    // A public address of our own is told to others, though nobody has ever dialled it.
    await runOk(alice.namespace.inside(['ip', 'addr', 'add', '5.5.5.5/24', 'dev', 'eth0']))
    await startAll([alice, bob, eve])
    await allConnected([bob])
    const { addresses } = await alice.banmesh.json<Identity>('id')
    assert.ok(addresses.includes(`/ip4/5.5.5.5/tcp/7337/p2p/${alice.banmesh.peerId}`), addresses.join())
    const friends = await alice.banmesh.get<FriendView[]>('/v1/friends')
    assert.deepEqual(
      friends.map(({ name, connected }) => [name, connected]),
      [
        ['bob', true],
        ['eve', false]
      ]
    )
  }
)
