/**
 * `npm run demo`: a real mesh of four daemons on loopback, each a process of its own with real TCP, noise and DHT. A ban
 * travels, is held, is confirmed and is lifted; every step is printed as it happens, and fails loudly if it does not.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { createControlClient, type ControlClient } from '../control/client.ts'
import type { FriendView, Identity, Status, Why } from '../control/api.ts'
import { startFail2ban, type DemoFail2ban } from './demo-fail2ban.ts'

export interface DemoOptions {
  /** Leave the mesh up until Ctrl-C. */
  readonly keep: boolean
  /** Hand over to real fail2ban servers, with a jail that only keeps the books: no firewall is touched. */
  readonly fail2ban: boolean
  /** How to start banmesh: the command and its first arguments. */
  readonly banmesh: readonly [string, ...string[]]
  print(line: string): void
}

interface Node {
  readonly name: string
  readonly dir: string
  readonly id: string
  readonly call: ControlClient
  process?: ChildProcess
  fail2ban?: DemoFail2ban
}

const ATTACKER = '203.0.113.7'
const STEP_TIMEOUT_MS = 30_000
const POLL_MS = 5
/** Of each daemon's log, printed if the demo fails. */
const LOG_LINES = 20
const FRIENDSHIPS: Record<string, readonly string[]> = {
  alice: ['bob'],
  bob: ['alice', 'carol', 'dave'],
  carol: ['bob'],
  dave: ['bob']
}

/** The exit code: 0 only if every step happened. */
export async function runDemo(options: DemoOptions): Promise<number> {
  const root = await mkdtemp(join(tmpdir(), 'banmesh-demo-'))
  const nodes: Node[] = []
  const interrupted = Promise.withResolvers<void>()
  const interrupt = (): void => interrupted.resolve()
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt)
  try {
    for (const name of Object.keys(FRIENDSHIPS)) nodes.push(await createNode(name, root, options))
    await Promise.race([
      playStory(nodes, options),
      interrupted.promise.then(() => Promise.reject(new Error('interrupted')))
    ])
    if (options.keep) {
      options.print('The mesh stays up, with the dashboard above; Ctrl-C ends it. Talk to a node with, for example:')
      options.print(`  banmesh --config ${join(nodes[1]!.dir, 'banmesh.yaml')} status`)
      await interrupted.promise
    }
    return 0
  } catch (error) {
    options.print(`FAILED: ${error instanceof Error ? error.message : String(error)}`)
    for (const { name, dir } of nodes) await printLog(name, dir, options)
    return 1
  } finally {
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt)
    await Promise.all(nodes.map(stopNode))
    await rm(root, { recursive: true, force: true })
  }
}

async function playStory(nodes: readonly Node[], { print, fail2ban, banmesh }: DemoOptions): Promise<void> {
  const [alice, bob, carol, dave] = nodes as [Node, Node, Node, Node]
  const started = performance.now()
  const say = (text: string): void => print(`${(performance.now() - started).toFixed(0).padStart(6)} ms  ${text}`)
  /** Does something, then waits until every node thinks as it should. */
  async function step(what: string, act: () => Promise<unknown>, expected: readonly [Node, string, Check][]) {
    const from = performance.now()
    await act()
    say(what)
    await Promise.all(
      expected.map(async ([node, text, check]) => {
        await waitFor(`${node.name}: ${text}`, async () => check(await why(node)))
        say(`  ${node.name.padEnd(5)} ${text}  (+${(performance.now() - from).toFixed(0)} ms)`)
      })
    )
  }

  print('alice and dave are friends of bob, bob is a friend of carol; every trust is 80 %, every threshold 80 %.')
  // alice is everybody's way into the DHT, and nobody but bob's friend: carol and dave find bob by his peer ID.
  await startNode(alice, nodes, [], banmesh)
  const { addresses } = await get<Identity>(alice, '/v1/id')
  await Promise.all([bob, carol, dave].map((node) => startNode(node, nodes, addresses, banmesh)))
  say('four daemons run')
  await Promise.all(
    nodes.map((node) =>
      waitFor(`${node.name}: all friends connected`, async () => {
        const friends = await get<FriendView[]>(node, '/v1/friends')
        return friends.every(({ connected }) => connected)
      })
    )
  )
  say('all friends have found each other by peer ID')
  const { web } = await get<Status>(bob, '/v1/status')
  if (web !== null) print(`bob's dashboard: ${web.url}`)

  const accepts =
    (score: number): Check =>
    (answer) =>
      answer.accepted && answer.score === score
  const holds =
    (score: number): Check =>
    (answer) =>
      !answer.accepted && answer.score === score
  const lets: Check = (answer) => !answer.accepted && answer.evidence.length === 0
  await step(`alice bans ${ATTACKER}`, () => ban(alice), [
    [bob, 'accepts it: 80 %', accepts(80)],
    [carol, 'holds it:   64 %', holds(64)]
  ])
  if (fail2ban) await step("bob's fail2ban", () => inJail(bob, true), [])
  await step(`dave bans ${ATTACKER} too`, () => ban(dave), [[carol, 'accepts it: 80 %', accepts(80)]])
  if (fail2ban) await step("carol's fail2ban", () => inJail(carol, true), [])
  await step('alice and dave lift it', () => Promise.all([lift(alice), lift(dave)]), [
    [bob, 'lets go', lets],
    [carol, 'lets go', lets]
  ])
  if (fail2ban)
    await step('all fail2ban servers let go', () => Promise.all([inJail(bob, false), inJail(carol, false)]), [])
  say('done: everything happened as it should')
}

type Check = (answer: Why) => boolean

function inJail(node: Node, banned: boolean): Promise<void> {
  return waitFor(
    `${node.name}: fail2ban's word`,
    async () => (await node.fail2ban!.banned()).includes(ATTACKER) === banned
  )
}

async function ban(node: Node): Promise<void> {
  const answer = await node.call({ method: 'POST', path: '/v1/bans', body: { subject: ATTACKER } })
  if (!answer.ok) throw new Error(`${node.name} could not ban: ${answer.reason}`)
}

async function lift(node: Node): Promise<void> {
  const answer = await node.call({ method: 'DELETE', path: `/v1/bans/${ATTACKER}` })
  if (!answer.ok) throw new Error(`${node.name} could not lift its ban: ${answer.reason}`)
}

function why(node: Node): Promise<Why> {
  return get<Why>(node, `/v1/why/${ATTACKER}`)
}

async function get<T>(node: Node, path: string): Promise<T> {
  const answer = await node.call({ method: 'GET', path })
  if (!answer.ok) throw new Error(`${node.name} did not answer: ${answer.reason}`)
  return answer.body as T
}

async function waitFor(what: string, probe: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + STEP_TIMEOUT_MS
  while (!(await probe())) {
    if (performance.now() > deadline) throw new Error(`${what} did not happen within ${STEP_TIMEOUT_MS / 1000} s`)
    await delay(POLL_MS)
  }
}

/** Makes a key in a folder of its own, as `banmesh init` would. */
async function createNode(name: string, root: string, { fail2ban }: DemoOptions): Promise<Node> {
  const { createIdentity } = await import('../daemon/identity.ts')
  const dir = join(root, name)
  await mkdir(dir)
  const identity = createIdentity(join(dir, 'identity.key'))
  if (!identity.ok) throw new Error(`no key for ${name}: ${identity.reason}`)
  const call = createControlClient({ socketPath: join(dir, 'control.sock'), timeoutMs: 5000 })
  const node: Node = { name, dir, id: identity.value.peerId, call }
  if (fail2ban) node.fail2ban = await startFail2ban(dir)
  return node
}

async function startNode(
  node: Node,
  nodes: readonly Node[],
  bootstrap: readonly string[],
  [command, ...args]: readonly [string, ...string[]]
): Promise<void> {
  const friends = nodes.filter(({ name }) => FRIENDSHIPS[node.name]!.includes(name))
  // JSON is YAML.
  const config = {
    network: 'demo',
    dataDir: '.',
    listen: ['/ip4/127.0.0.1/tcp/0'],
    control: 'control.sock',
    friends: friends.map(({ id, name }) => ({ id, name, trust: 80 })),
    discovery: { dht: true, bootstrap },
    protectReserved: false,
    handoff: { log: { path: 'bans.log' }, ...(node.fail2ban && { fail2ban: node.fail2ban.handoff }) },
    web: { listen: '127.0.0.1:0' }
  }
  const path = join(node.dir, 'banmesh.yaml')
  await writeFile(path, JSON.stringify(config, null, 2))
  const log = await open(join(node.dir, 'daemon.log'), 'a')
  node.process = spawn(command, [...args, '--config', path, 'run'], { stdio: ['ignore', log.fd, log.fd] })
  await log.close()
  await waitFor(`${node.name}: the daemon answers`, async () => {
    if (node.process!.exitCode !== null) throw new Error(`${node.name}'s daemon has ended`)
    return (await node.call({ method: 'GET', path: '/v1/status' })).ok
  })
}

async function stopNode({ process: daemon, fail2ban }: Node): Promise<void> {
  if (daemon !== undefined && daemon.exitCode === null) {
    const ended = once(daemon, 'exit')
    daemon.kill('SIGTERM')
    await ended
  }
  await fail2ban?.stop()
}

async function printLog(name: string, dir: string, { print }: DemoOptions): Promise<void> {
  const log = await readFile(join(dir, 'daemon.log'), 'utf8').catch(() => '')
  for (const line of log.trimEnd().split('\n').slice(-LOG_LINES)) print(`${name}: ${line}`)
}
