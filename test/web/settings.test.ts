/** What an operator changes of the config in the dashboard: of a real node, in a real browser. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import type { FriendView } from '../../src/control/api.ts'
import { removeFriend } from '../../src/daemon/config-edit.ts'
import { createMesh, type MeshHandle, type NodeHandle } from '../support/nodes.ts'
import { requires } from '../support/requirements.ts'
import { until } from '../support/until.ts'
import { launchBrowser, openDashboard } from './browser.ts'

const skip = requires({ commands: ['chromium'] })
const VIEWPORT = { viewport: { width: 390, height: 844 } }

let mesh: MeshHandle
let browser: Browser
let bob: NodeHandle
let url: string

before(async () => {
  if (skip !== false) return
  mesh = createMesh({
    friends: { alice: ['bob'], bob: ['alice'] },
    config: () => ({ web: { listen: '127.0.0.1:0' }, log: { audit: 'audit.log' } })
  })
  await mesh.start()
  await mesh.connected()
  bob = mesh.node('bob')
  const { web } = await bob.status()
  url = `${web!.url}#token=${readFileSync(web!.tokenFile, 'utf8').trim()}`
  browser = await launchBrowser()
})
after(async () => {
  await browser?.close()
  await mesh?.dispose()
})

/** Each waits until the one before is said to be done. */
async function click(page: Page, name: string, done: string): Promise<void> {
  await page.getByRole('button', { name, exact: true }).click()
  await page.locator('.notice.done', { hasText: done }).waitFor()
}

const alice = async (): Promise<FriendView | undefined> => (await bob.get<FriendView[]>('/v1/friends'))[0]
const audit = (): string => readFileSync(join(bob.dir, 'audit.log'), 'utf8')

test('the allowlist is shown and changed, and a ban that it covers ends', { skip }, async (t) => {
  await mesh.node('alice').ban('203.0.113.7')
  await until(async () => (await bob.why('203.0.113.7')).accepted, 'the ban')
  const { page, complaints, close } = await openDashboard(browser, url, VIEWPORT)
  t.after(close)
  const panel = page.getByRole('region', { name: 'Allowlist' })
  await panel.getByText('Nothing is on it.').waitFor()
  await panel.getByLabel('Never ban').fill('203.0.113.0/24')
  await click(page, 'Allow', '203.0.113.0/24 is never banned here')
  await panel.locator('li', { hasText: '203.0.113.0/24' }).waitFor()
  assert.equal((await bob.why('203.0.113.7')).reason, 'allowlisted')
  assert.match(readFileSync(join(bob.dir, 'banmesh.yaml'), 'utf8'), /allowlist.*203\.0\.113\.0\/24/s)

  for (const [entry, refusal] of [
    ['203.0.113.0/24', 'it is on the allowlist already'],
    ['not a host', 'an entry of the allowlist must be an address, a CIDR or a host name']
  ] as const) {
    await panel.getByLabel('Never ban').fill(entry)
    await panel.getByRole('button', { name: 'Allow', exact: true }).click()
    await page.locator('.notice.failed', { hasText: refusal }).waitFor()
  }
  await click(page, 'Remove 203.0.113.0/24 from the allowlist', '203.0.113.0/24 is off the allowlist')
  await until(async () => (await bob.why('203.0.113.7')).accepted, 'the ban to be back')
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 390)
  assert.match(audit(), /"command":"allow","entry":"203\.0\.113\.0\/24"}\n[^]*"command":"disallow"/)
  assert.deepEqual(complaints, [])
})

test('trust, pause, observation and removal of a friend take effect at once', { skip }, async (t) => {
  const { page, complaints, close } = await openDashboard(browser, url, VIEWPORT)
  t.after(close)
  await page.getByText('Change…').click()
  await page.getByLabel('Trust, %').fill('55')
  await click(page, 'Set the trust in alice', 'The trust in alice is 55 % now')
  await page.locator('.friend-trust .number', { hasText: '55 %' }).waitFor()
  assert.equal((await alice())?.trust, 55)
  await until(async () => !(await bob.why('203.0.113.7')).accepted, 'her ban not to suffice')

  await click(page, 'Pause alice', 'alice is paused')
  assert.equal((await alice())?.paused, true)
  await click(page, 'Resume alice', 'alice is heard again')
  assert.equal((await alice())?.paused, false)
  await click(page, 'Only observe alice', 'alice is only observed')
  await page.locator('.friends .chip', { hasText: 'observed' }).waitFor()
  assert.equal((await alice())?.observe, true)
  await click(page, 'Act on alice', 'alice is acted on')
  assert.equal((await alice())?.observe, false)
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 390)

  // Somebody removes her meanwhile by another way.
  const file = join(bob.dir, 'banmesh.yaml')
  const text = readFileSync(file, 'utf8')
  writeFileSync(file, removeFriend(text, 0))
  await page.getByRole('button', { name: 'Pause alice', exact: true }).click()
  await page.locator('.notice.failed', { hasText: 'there is no friend with that peer ID' }).waitFor()
  writeFileSync(file, text)

  await page.getByText('Remove…').click()
  await click(page, 'Remove alice', 'alice is no friend any more')
  await page.getByText('No friends yet').waitFor()
  assert.equal(await alice(), undefined)
  assert.match(audit(), /"command":"friend-remove"/)
  assert.deepEqual(complaints, [])
})

test('a config that the daemon can not replace says so, and nothing has changed', { skip }, async (t) => {
  const { page, close } = await openDashboard(browser, url, VIEWPORT)
  t.after(close)
  const lock = join(bob.dir, 'banmesh.yaml.new')
  writeFileSync(lock, '')
  await page.getByLabel('Never ban').fill('192.0.2.1')
  await page.getByRole('button', { name: 'Allow', exact: true }).click()
  await page.locator('.notice.failed', { hasText: 'a command is changing the config just now' }).waitFor()
  await page.getByText('Nothing is on it.').waitFor()
})

test('without the token neither the allowlist nor the tools are there', { skip }, async (t) => {
  const { page, close } = await openDashboard(browser, new URL('/', url).href)
  t.after(close)
  assert.equal(await page.locator('.friend-tools').count(), 0)
  assert.equal(await page.getByRole('region', { name: 'Allowlist' }).count(), 0)
})
