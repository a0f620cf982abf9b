/**
 * banmesh blocks by nftables itself, and fail2ban keeps the books: in the mesh jail, whose action is empty, the bans are
 * to be seen, and unbanned by hand as anywhere.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Status } from '../../src/control/api.ts'
import { createLab, LAB_COMMANDS, type LabNode } from '../support/lab.ts'
import { createBanmesh } from '../support/lab-banmesh.ts'
import { createNetwork } from '../support/lab-namespaces.ts'
import { createProcesses, run } from '../support/lab-processes.ts'
import { requires } from '../support/requirements.ts'
import { until } from '../support/until.ts'

const skip = requires({ root: true, commands: LAB_COMMANDS })

test('an unban by hand in the jail that keeps the books opens the firewall, and is a veto', { skip }, async (t) => {
  const lab = await createLab(t, {
    friends: { alice: { bob: 80 }, bob: { alice: 80 } },
    handoff: ({ fail2banSocket }) => ({
      log: false,
      nftables: { enabled: true },
      fail2ban: { enabled: true, socket: fail2banSocket }
    }),
    // The shorter the ban time, the more often the lists are compared.
    meshJail: { action: '', bantime: 16 }
  })
  const { alice, bob } = lab.nodes
  const address = lab.attacker.addresses.ipv4
  const becomes = (result: 'open' | 'refused'): Promise<unknown> =>
    until(async () => (await lab.attacker.connect(bob.addresses.ipv4)) === result, `bob's port to be ${result}`, 30_000)
  const books = async (): Promise<string> => (await bob.fail2ban.client('get', 'banmesh', 'banip')).stdout.trim()
  await lab.explained(async () => {
    await connected(bob)
    await alice.banmesh.cli('ban', address, '--ttl', '1h')
    await becomes('refused')
    await until(async () => (await books()) === address, 'the entry in the books')
    const ends = async (): Promise<string> =>
      (await bob.fail2ban.client('get', 'banmesh', 'banip', '--with-time')).stdout
    const first = await ends()
    await until(async () => (await ends()) !== first, 'the renewal, before the jail lets go', 20_000)
    assert.equal(await books(), address)
    await becomes('refused')

    assert.equal((await bob.fail2ban.client('set', 'banmesh', 'unbanip', address)).stdout.trim(), '1')
    await becomes('open')
    assert.equal((await bob.banmesh.json<{ reason: string }>('why', address)).reason, 'vetoed')
    assert.equal(await books(), '')
    const { handoff } = await bob.banmesh.get<Status>('/v1/status')
    assert.deepEqual([handoff.nftables, handoff.fail2ban], [UP_TO_DATE, UP_TO_DATE])

    await bob.banmesh.cli('unban', '--forget-veto', address)
    await becomes('refused')
    // A flush opens the firewall, and the table stays for what comes next.
    await bob.banmesh.cli('flush')
    await becomes('open')
    assert.equal(await books(), '')
    await bob.banmesh.cli('resume')
    await becomes('refused')
    // A fail2ban that is away leaves the firewall as it is.
    await bob.fail2ban.stop()
    await becomes('refused')
  })
})

test(
  'the table is made at the start, outlives a crash and a stop, and goes when it is turned off',
  { skip },
  async () => {
    await using cleanup = new AsyncDisposableStack()
    const folder = cleanup.adopt(mkdtempSync(join(tmpdir(), 'banmesh-lab-')), (path) =>
      rmSync(path, { recursive: true })
    )
    const network = cleanup.adopt(await createNetwork(), (value) => value.remove())
    const processes = cleanup.adopt(createProcesses(), (value) => value.end())
    const namespace = await network.plug('alone', 11)
    const banmesh = await createBanmesh(processes, 'alone', namespace, folder)
    const table = async (): Promise<string> => (await run(namespace.inside(['nft', 'list', 'ruleset']))).stdout
    const shows = (words: RegExp): Promise<unknown> =>
      until(async () => words.test(await table()), String(words), 20_000)
    const on = { log: false, nftables: { enabled: true } }

    banmesh.configure([], { handoff: on })
    const first = await banmesh.start()
    await banmesh.cli('ban', '198.51.100.0/24', '--ttl', '1h')
    await shows(/198\.51\.100\.0 timeout/)
    await banmesh.cli('ban', '198.51.100.0/24', '--ttl', '5h')
    await shows(/198\.51\.100\.0 timeout 4h59m|198\.51\.100\.0 timeout 5h/)
    await first.kill()
    assert.match(await table(), /198\.51\.100\.0 timeout/)
    // As after a reboot.
    await run(namespace.inside(['nft', 'flush', 'ruleset']))
    const second = await banmesh.start()
    await shows(/198\.51\.100\.0 timeout/)
    assert.equal(await second.stop(), 0)
    assert.match(await table(), /198\.51\.100\.0 timeout/, 'a stop is no amnesty')

    banmesh.configure([], { handoff: { log: false } })
    await banmesh.start()
    await until(async () => (await table()) === '', 'the table to go', 20_000)
  }
)

const UP_TO_DATE = { pending: 0, lastError: null }

async function connected({ name, banmesh }: LabNode): Promise<void> {
  const friends = async () => (await banmesh.get<Status>('/v1/status')).friends
  await until(async () => (await friends()).connected === 1, `${name} to be connected with its friend`)
}
