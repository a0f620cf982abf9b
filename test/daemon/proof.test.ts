/** What a running node knows of its own enforcement: a ban that somebody takes out of the kernel is listed and not blocked. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import type { Status } from '../../src/control/api.ts'
import { ok, refuse } from '../../src/core/result.ts'
import { createProof, type ProofOptions } from '../../src/daemon/proof.ts'
import { firewalled } from '../fail2ban/firewalled.ts'
import { subject } from '../fail2ban/ledger.ts'
import { manualSchedule } from '../fail2ban/schedule.ts'
import { prepareFail2ban } from '../fail2ban/server.ts'
import { createBanmesh } from '../support/lab-banmesh.ts'
import { createProcesses } from '../support/lab-processes.ts'
import { requires } from '../support/requirements.ts'
import { until } from '../support/until.ts'

const skip = requires({ root: true, commands: ['ip', 'nft', 'fail2ban-server', 'fail2ban-client'] })
const PORT = 7338
const JAIL = `[banmesh]
enabled = true
filter = sshd
backend = polling
logpath = /dev/null
bantime = 1h
banaction = nftables-allports
action = %(action_)s
`

/** A node alone in a network namespace, which looks every second. */
async function alone(t: TestContext, handoff: (fail2banSocket: string) => object) {
  const firewall = await firewalled(t)
  const server = prepareFail2ban(t, { jails: JAIL, namespace: firewall.namespace })
  const folder = mkdtempSync(join(tmpdir(), 'banmesh-proof-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const processes = createProcesses()
  t.after(() => processes.end())
  const addresses = { ipv4: '10.99.0.1', ipv6: 'fd99::1' }
  const inside = (argv: readonly string[]): string[] => ['ip', 'netns', 'exec', firewall.namespace, ...argv]
  const banmesh = await createBanmesh(processes, 'alone', { addresses, inside }, folder)
  banmesh.configure([], {
    handoff: { log: false, ...handoff(server.socket) },
    limits: { enforcementCheckSeconds: 1 },
    web: { listen: `127.0.0.1:${PORT}` }
  })
  const scrape = (): Promise<string> =>
    firewall.run(
      process.execPath,
      '-e',
      `fetch('http://127.0.0.1:${PORT}/metrics').then((answer) => answer.text()).then((text) => process.stdout.write(text))`
    )
  return {
    ...firewall,
    banmesh,
    server,
    scrape,
    shows: (jail: string, listed: number, enforced: number): Promise<unknown> =>
      until(
        async () => {
          const { enforcement } = await banmesh.get<Status>('/v1/status')
          return JSON.stringify(enforcement) === JSON.stringify([{ jail, listed, enforced }])
        },
        `${enforced} of ${listed} bans in ${jail}`,
        30_000
      ),
    counts: async (jail: string): Promise<(string | undefined)[]> => {
      const text = await scrape()
      return ['listed', 'enforced'].map(
        (word) => new RegExp(`^banmesh_${word}_bans\\{jail="${jail}"\\} (\\d+)$`, 'm').exec(text)?.[1]
      )
    }
  }
}

test(
  'a ban that is taken out of the set of fail2ban is listed and not enforced, until it is back',
  { skip },
  async (t) => {
    const node = await alone(t, (socket) => ({ fail2ban: { enabled: true, socket } }))
    await node.server.start('banmesh')
    await node.banmesh.start()
    for (const address of ['203.0.113.7', '203.0.113.8']) await node.banmesh.cli('ban', address, '--ttl', '1h')
    await node.shows('banmesh', 2, 2)
    await node.run('nft', 'delete', 'element', 'inet', 'f2b-table', 'addr-set-banmesh', '{ 203.0.113.7 }')
    await node.shows('banmesh', 2, 1)
    assert.deepEqual(await node.counts('banmesh'), ['2', '1'])
    assert.match(await node.banmesh.cli('status'), /^firewall +blocks 1 of the 2 bans in banmesh$/m)
    await until(() => readFileSync(node.banmesh.log, 'utf8').includes('"open":["203.0.113.7"]'), 'a word in the log')
    await node.run('nft', 'add', 'element', 'inet', 'f2b-table', 'addr-set-banmesh', '{ 203.0.113.7 }')
    await node.shows('banmesh', 2, 2)
    // Nobody listed is nobody open.
    for (const address of ['203.0.113.7', '203.0.113.8']) await node.banmesh.cli('unban', address)
    await node.shows('banmesh', 0, 0)
  }
)

test("a ban that is taken out of banmesh's own table is wanted and not enforced", { skip }, async (t) => {
  const node = await alone(t, () => ({ nftables: { enabled: true } }))
  await node.banmesh.start()
  for (const address of ['203.0.113.7', '2001:db8::8']) await node.banmesh.cli('ban', address, '--ttl', '1h')
  await node.shows('nftables', 2, 2)
  await node.run('nft', 'delete', 'element', 'inet', 'banmesh', 'ipv6_128', '{ 2001:db8::8 }')
  await node.shows('nftables', 2, 1)
  assert.deepEqual(await node.counts('nftables'), ['2', '1'])
})

function proofOf(read: ProofOptions['read']) {
  const said: string[] = []
  const timers = manualSchedule()
  const say = (detail: unknown, message: string): unknown => said.push(`${message} ${JSON.stringify(detail)}`)
  const logger = { info: say, warn: say } as unknown as ProofOptions['logger']
  return { said, timers, proof: createProof({ read, everySeconds: () => 300, logger, schedule: timers.schedule }) }
}

test('whoever may not read the firewall measures nothing, says so once, and does not try again for a day', async () => {
  let reads = 0
  const { said, timers, proof } = proofOf(async () => {
    reads += 1
    return refuse('needs-cap-net-admin')
  })
  proof.start()
  assert.equal(await timers.next(), 300_000)
  assert.equal(await timers.peek(), 24 * 3600 * 1000)
  assert.deepEqual([reads, proof.view(), said.length], [1, [], 1])
  await proof.stop()
})

test('only what is open twice in a row is worth a warning: once it may just be being made', async () => {
  const [first, second] = [subject('203.0.113.7'), subject('203.0.113.8')]
  const looks = [[first], [second], [second], []].map((open) => new Map([['a', { listed: 2, blocked: 1, open }]]))
  const { said, timers, proof } = proofOf(async () => ok(looks.shift()!))
  proof.start()
  for (const warnings of [0, 0, 1, 1]) {
    await timers.next()
    await timers.peek()
    assert.equal(said.length, warnings)
  }
  assert.deepEqual(proof.view(), [{ jail: 'a', listed: 2, enforced: 1 }])
  await proof.stop()
})
