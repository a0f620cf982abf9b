/**
 * A lab on one machine: nodes with real sshd, fail2ban, nftables and banmesh, and an attacker, each in a network
 * namespace of its own. Needs root and `LAB_COMMANDS`.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { createAttacker, type Attacker } from './lab-attacker.ts'
import { createBanmesh, environmentOf, type Banmesh } from './lab-banmesh.ts'
import { startFail2ban, writeFail2banFiles, type Fail2ban, type Jail } from './lab-fail2ban.ts'
import { createNetwork, type Addresses, type Network } from './lab-namespaces.ts'
import { createProcesses, type Processes } from './lab-processes.ts'
import { startSshd, type Sshd } from './lab-sshd.ts'

export const LAB_COMMANDS = 'ip ss nft setpriv sshd ssh ssh-keygen sshpass fail2ban-server fail2ban-client'.split(' ')

/** Wrong passwords in a row for which a node's sshd jail bans. */
export const MAX_RETRY = 3

const FIRST_HOST = 11
const ATTACKER_HOST = 66
const LOG_LINES_SHOWN = 40
/** What sshd says of a connection that is only tried. */
const NOISE = /kex_exchange_identification|Connection (from|closed by) [0-9a-f.:]+ port/

export interface LabNode {
  readonly name: string
  readonly addresses: Addresses
  readonly banmesh: Banmesh
  readonly sshd: Sshd
  readonly fail2ban: Fail2ban
}

interface LabOptions<Name extends string> {
  /** Whom each node trusts how much, in percent. */
  readonly friends: Readonly<Record<Name, Readonly<Partial<Record<Name, number>>>>>
  /** The `handoff` of a node's config. */
  readonly handoff: (node: { bansLog: string; fail2banSocket: string }) => Readonly<Record<string, unknown>>
  /** What the `banmesh` jail has beside what is shipped. */
  readonly meshJail?: Jail
}

export interface Lab<Name extends string> {
  readonly nodes: Readonly<Record<Name, LabNode>>
  readonly attacker: Attacker
  /** Does `work`; if that fails, prints the end of the servers' logs. */
  explained<Value>(work: () => Promise<Value>): Promise<Value>
}

/** Everything is up when it resolves; it is taken down after `t`, whatever becomes of it. */
export async function createLab<Name extends string>(t: TestContext, options: LabOptions<Name>): Promise<Lab<Name>> {
  const cleanup = new AsyncDisposableStack()
  t.after(() => cleanup.disposeAsync())
  const folder = cleanup.adopt(mkdtempSync(join(tmpdir(), 'banmesh-lab-')), (path) => rmSync(path, { recursive: true }))
  const network = cleanup.adopt(await createNetwork(), (value) => value.remove())
  const processes = cleanup.adopt(createProcesses(), (value) => value.end())
  const explained = <Value>(work: () => Promise<Value>): Promise<Value> =>
    work().catch((error: unknown) => {
      printLogs(folder)
      throw error
    })
  return await explained(async () => {
    const names = Object.keys(options.friends) as Name[]
    const grounds = await Promise.all(
      names.map((name, i) => layGround(network, processes, name, FIRST_HOST + i, join(folder, name)))
    )
    const peers = new Map(grounds.map((ground) => [ground.name, ground.banmesh]))
    const nodes = await Promise.all(grounds.map((ground) => startNode(processes, ground, peers, options)))
    const attacker = createAttacker(await network.plug('attacker', ATTACKER_HOST))
    return {
      nodes: Object.fromEntries(nodes.map((node) => [node.name, node])) as Record<Name, LabNode>,
      attacker,
      explained
    }
  })
}

type Ground<Name extends string> = Awaited<ReturnType<typeof layGround<Name>>>

/** What has to exist before any node can name its friends: addresses and identities. */
async function layGround<Name extends string>(
  network: Network,
  processes: Processes,
  name: Name,
  host: number,
  folder: string
) {
  mkdirSync(folder)
  const namespace = await network.plug(name, host)
  const banmesh = await createBanmesh(processes, name, namespace, folder)
  return { name, folder, namespace, banmesh }
}

async function startNode<Name extends string>(
  processes: Processes,
  { name, folder, namespace, banmesh }: Ground<Name>,
  peers: ReadonlyMap<Name, Banmesh>,
  { friends, handoff, meshJail }: LabOptions<Name>
): Promise<LabNode> {
  const files = writeFail2banFiles(folder)
  await banmesh.cli('install', '--root', folder)
  banmesh.configure(
    Object.entries<number | undefined>(friends[name]).map(([friend, trust]) => ({
      node: peers.get(friend as Name)!,
      trust: trust!
    })),
    { handoff: handoff({ bansLog: banmesh.bansLog, fail2banSocket: files.socket }) }
  )
  await banmesh.start()
  const sshd = await startSshd(processes, namespace, folder)
  const jails = {
    sshd: {
      enabled: true,
      port: 22,
      // Named here, for newer Debians take sshd's lines from the journal.
      backend: 'pyinotify',
      logpath: sshd.log,
      maxretry: MAX_RETRY,
      findtime: '1m',
      bantime: '10m',
      action: '%(action_)s\nbanmesh'
    },
    banmesh: { logpath: `${banmesh.bansLog}\n${files.config}/filter.d/banmesh.conf`, ...meshJail }
  }
  const env = environmentOf(banmesh.config, folder)
  const fail2ban = await startFail2ban(processes, namespace, files, jails, env)
  return { name, addresses: namespace.addresses, banmesh, sshd, fail2ban }
}

/** The end of every `*.log` of every node. */
function printLogs(folder: string): void {
  for (const path of readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) =>
    file.endsWith('.log')
  )) {
    const lines = readFileSync(join(folder, path), 'utf8')
      .split('\n')
      .filter((line) => !NOISE.test(line))
      .slice(-LOG_LINES_SHOWN)
    console.log(`--- ${path}\n${lines.join('\n')}`)
  }
}
