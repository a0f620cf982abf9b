/**
 * Somebody out there bans one of our addresses, or a friend's: real nodes, and everywhere that an operator would look.
 * carol is no friend of bob, whose address she bans; alice is a friend of both.
 */
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { LiveEvent } from '../../src/control/api.ts'
import { createMesh, type MeshHandle, type NodeHandle } from '../support/nodes.ts'
import { requires } from '../support/requirements.ts'
import { until } from '../support/until.ts'
import { launchBrowser, openDashboard } from './browser.ts'

const BANMESH = join(import.meta.dirname, '../../bin/banmesh.ts')
const ADDRESS = '203.0.113.77'

let mesh: MeshHandle
const events = new Map<string, LiveEvent[]>()
const watchers: ChildProcess[] = []

before(async () => {
  mesh = createMesh({
    friends: { alice: ['bob', 'carol'], bob: ['alice'], carol: ['alice'] },
    config: (name) => ({
      web: { listen: '127.0.0.1:0' },
      ...(name === 'bob' && { announce: [`/ip4/${ADDRESS}/tcp/7337`] })
    })
  })
  // What bob says of himself would not count: alice knows it from her own config.
  const file = join(mesh.node('alice').dir, 'banmesh.yaml')
  const config = JSON.parse(readFileSync(file, 'utf8')) as { friends: { name: string; addresses: string[] }[] }
  config.friends.find(({ name }) => name === 'bob')!.addresses.push(`/ip4/${ADDRESS}/tcp/7337`)
  writeFileSync(file, JSON.stringify(config))
  await mesh.start()
  await mesh.connected()
  for (const name of ['alice', 'bob']) await watch(mesh.node(name))
  await mesh.node('carol').ban(ADDRESS)
})
after(async () => {
  for (const watcher of watchers) watcher.kill()
  await mesh.dispose()
})

/** `banmesh watch`, beginning with its first line. */
async function watch({ name, dir }: NodeHandle): Promise<void> {
  const heard: LiveEvent[] = []
  events.set(name, heard)
  const child = spawn(process.execPath, [BANMESH, '--json', '--config', join(dir, 'banmesh.yaml'), 'watch'], {
    stdio: ['ignore', 'pipe', 'inherit']
  })
  watchers.push(child)
  let rest = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop()!
    heard.push(...lines.map((line) => JSON.parse(line) as LiveEvent))
  })
  await until(() => heard.length > 0, `${name} to watch`)
}

for (const [name, reason, whose, via] of [
  ['bob', 'own-address', 'this node', 'alice'],
  ['alice', 'friend-address', 'a friend', 'carol']
] as const) {
  test(`${name} is told of it by status, watch, log and metrics, and bans nothing`, async () => {
    const node = mesh.node(name)
    const alerts = await until(async () => {
      const { alerts: shown } = await node.status()
      return shown.length > 0 && shown
    }, 'the alert')
    const { id } = mesh.node('carol')
    const [alert] = alerts
    assert.deepEqual([alert?.subject, alert?.reason, alerts.length], [ADDRESS, reason, 1])
    const [accuser] = alert!.by
    assert.deepEqual([accuser?.origin, accuser?.jail, accuser?.via], [id, 'manual', [via]])
    assert.equal((await node.why(ADDRESS)).accepted, false)

    await until(() => events.get(name)!.some(({ kind }) => kind === 'alert'), 'the event')
    const event = events.get(name)!.find(({ kind }) => kind === 'alert')!
    assert.deepEqual([event.subject, event.reason], [ADDRESS, reason])

    const said = `"msg":"somebody out there bans an address of ${whose}"`
    await until(() => readFileSync(join(node.dir, 'daemon.log'), 'utf8').includes(said), 'a word in the log')
    const lines = readFileSync(join(node.dir, 'daemon.log'), 'utf8').split('\n')
    const line = lines.filter((text) => text.includes(said))
    assert.equal(line.length, 1)
    assert.match(line[0]!, new RegExp(`"${ADDRESS}".*"${id}"`))

    const { web } = await node.status()
    const metrics = await (await fetch(`${web!.url}metrics`)).text()
    assert.match(metrics, new RegExp(`^banmesh_alarms_total\\{reason="${reason}"\\} 1$`, 'm'))
  })
}

test('the dashboard says so above all, and in the feed', { skip: requires({ commands: ['chromium'] }) }, async (t) => {
  const browser = await launchBrowser()
  t.after(() => browser.close())
  const { web } = await mesh.node('bob').status()
  const { page, close } = await openDashboard(browser, web!.url)
  t.after(close)
  const end = mesh.node('carol').id.slice(-6)
  const sentence = `Somebody bans ${ADDRESS}, an address of this node: …${end} (by alice). It is not banned here.`
  await page.locator('.warnings li', { hasText: sentence }).waitFor()
  await page.locator('.feed li.alarm', { hasText: ADDRESS }).waitFor()
})

test('when the ban is lifted nobody is alarmed any more', async () => {
  await mesh.node('carol').unban(ADDRESS)
  for (const name of ['alice', 'bob']) {
    await until(async () => (await mesh.node(name).status()).alerts.length === 0, `${name} to be calm`)
  }
})
