/** The hand-offs of whole nodes: remote jails mapped to local ones of a real fail2ban, and the operator's command. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import type { Status } from '../../src/control/api.ts'
import { prepareFail2ban, type Fail2banServer } from '../fail2ban/server.ts'
import { createMesh, type NodeHandle } from '../support/nodes.ts'
import { requires } from '../support/requirements.ts'
import { until } from '../support/until.ts'

const skip = requires({ commands: ['fail2ban-server', 'fail2ban-client'] })
const JAIL = 'enabled = true\nfilter = sshd\nbackend = polling\nlogpath = /dev/null\nbantime = 1h\naction =\n'

async function ban(node: NodeHandle, subject: string, jail: string): Promise<void> {
  const answer = await node.call({ method: 'POST', path: '/v1/bans', body: { subject, jail, ttlSeconds: 3600 } })
  assert(answer.ok, JSON.stringify(answer))
}

async function listed(server: Fail2banServer, jail: string): Promise<string> {
  return (await server.client('get', jail, 'banip')).trim().split(' ').sort().join(' ')
}

function hasBans(server: Fail2banServer, jail: string, ...ips: string[]): Promise<unknown> {
  return until(async () => (await listed(server, jail)) === ips.sort().join(' '), `${ips.join(' ')} in ${jail}`, 30_000)
}

/** alice says what is mapped at bob, who has a fail2ban of his own. */
async function createPair(t: TestContext, server: Fail2banServer, jails: object) {
  const mesh = createMesh({
    friends: { alice: ['bob'], bob: ['alice'] },
    config: (name) => ({ ...(name === 'bob' && bobsConfig(server, jails)) })
  })
  t.after(() => mesh.dispose())
  const [alice, bob] = mesh.nodes as [NodeHandle, NodeHandle]
  await mesh.start()
  await mesh.connected()
  return { alice, bob }
}

function bobsConfig(server: Fail2banServer, jails: object) {
  return { policy: { jails }, handoff: { log: false, fail2ban: { enabled: true, socket: server.socket } } }
}

/** `jails` of a running node are other ones from now on. */
async function remap(node: NodeHandle, jails: object): Promise<void> {
  const file = join(node.dir, 'banmesh.yaml')
  const config = JSON.parse(readFileSync(file, 'utf8')) as object
  writeFileSync(file, JSON.stringify({ ...config, policy: { jails } }))
  assert((await node.call({ method: 'POST', path: '/v1/reload' })).ok)
}

test(
  'a remote jail goes to its local one, and one that is not there says so and hinders no other',
  { skip },
  async (t) => {
    const server = prepareFail2ban(t, { jails: `[banmesh]\n${JAIL}[web-mesh]\n${JAIL}` })
    await server.start('banmesh', 'web-mesh')
    const map = { nginx: { jail: 'web-mesh' }, mail: { jail: 'nosuch' }, '*': {} }
    const { alice, bob } = await createPair(t, server, map)
    const handoff = async (): Promise<Status['handoff']['fail2ban']> => (await bob.status()).handoff.fail2ban

    await ban(alice, '198.51.100.1', 'mail')
    await ban(alice, '198.51.100.2', 'nginx')
    await ban(alice, '198.51.100.3', 'sshd')
    await hasBans(server, 'web-mesh', '198.51.100.2')
    await hasBans(server, 'banmesh', '198.51.100.3')
    await until(async () => (await handoff())?.pending === 1, 'one to be left')
    assert.deepEqual(await handoff(), { pending: 1, lastError: 'jail nosuch: unknown-jail' })

    // A verdict whose strongest evidence is of another jail now moves to that one's.
    await ban(alice, '198.51.100.2', 'aaa')
    await hasBans(server, 'banmesh', '198.51.100.2', '198.51.100.3')
    await hasBans(server, 'web-mesh')

    await ban(alice, '198.51.100.4', 'nginx')
    await hasBans(server, 'web-mesh', '198.51.100.4')

    // As the map changes, so do the jails.
    await remap(bob, { sshd: { jail: 'web-mesh' }, '*': {} })
    await hasBans(server, 'banmesh', '198.51.100.1', '198.51.100.2', '198.51.100.4')
    await hasBans(server, 'web-mesh', '198.51.100.3')
    assert.deepEqual(await bob.verdicts().then((list) => list.map(({ accepted }) => accepted)), [
      true,
      true,
      true,
      true
    ])
    await alice.unban('198.51.100.3')
    await hasBans(server, 'web-mesh')
  }
)

test('the exec hook is told of each ban and each lift, over a restart too', async (t) => {
  const mesh = createMesh({
    friends: { alice: ['bob'], bob: ['alice'] },
    config: (name) => ({
      ...(name === 'bob' && {
        handoff: { log: false, exec: { command: ['./told', '{action}', '{ip}', '{jail}', '{score}'], timeout: 5 } }
      })
    })
  })
  t.after(() => mesh.dispose())
  const [alice, bob] = mesh.nodes as [NodeHandle, NodeHandle]
  const calls = join(bob.dir, 'calls')
  const script = (then: string): void => writeFileSync(join(bob.dir, 'told'), `#!/bin/sh\n${then}\n`, { mode: 0o755 })
  const heard = (): string[] => (existsSync(calls) ? readFileSync(calls, 'utf8').trimEnd().split('\n') : [])
  script('exit 1')
  await mesh.start()
  await mesh.connected()
  await ban(alice, '198.51.100.1', 'sshd')
  await until(async () => (await bob.status()).handoff.exec?.lastError === 'failed', 'the failure in the status')
  assert.deepEqual((await bob.status()).handoff, {
    log: null,
    fail2ban: null,
    nftables: null,
    exec: { pending: 1, lastError: 'failed' }
  })
  await bob.kill()
  script(`echo "$@" >>${calls}`)
  await bob.start()
  await until(() => heard().length > 0, 'the ban that was still to be told')
  await alice.unban('198.51.100.1')
  await until(() => heard().at(-1)?.startsWith('unban') === true, 'the lift')
  assert.deepEqual(heard(), ['ban 198.51.100.1 sshd 80', 'unban 198.51.100.1 sshd 80'])
  await until(async () => (await bob.status()).handoff.exec?.pending === 0, 'nothing to be left')
})
