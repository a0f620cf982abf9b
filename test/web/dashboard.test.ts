/** The dashboard of real nodes in a real browser: what an operator sees, and does. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { createMesh, type MeshHandle } from '../support/nodes.ts'
import { requires } from '../support/requirements.ts'
import { until } from '../support/until.ts'
import { launchBrowser, openDashboard } from './browser.ts'

const skip = requires({ commands: ['chromium'] })

let mesh: MeshHandle
let browser: Browser
const urls = new Map<string, string>()
const tokens = new Map<string, string>()

before(async () => {
  if (skip !== false) return
  mesh = createMesh({
    friends: { alice: ['bob'], bob: ['alice', 'carol', 'dave'], carol: ['bob'], dave: ['bob'] },
    config: () => ({ web: { listen: '127.0.0.1:0' } })
  })
  await mesh.start()
  await mesh.connected()
  for (const node of mesh.nodes) {
    const { web } = await node.status()
    urls.set(node.name, web!.url)
    tokens.set(node.name, readFileSync(web!.tokenFile, 'utf8').trim())
  }
  browser = await launchBrowser()
})
after(async () => {
  await browser?.close()
  await mesh?.dispose()
})

const row = (page: Page, subject: string) => page.locator('table.bans tbody tr', { hasText: subject })
const textsOf = (page: Page, selector: string) => page.locator(selector).allTextContents()
const short = (name: string) => `…${mesh.node(name).id.slice(-6)}`

test("a friend's ban appears while one looks, and goes when it is lifted", { skip }, async (t) => {
  const { page, complaints, close } = await openDashboard(browser, urls.get('bob')!)
  t.after(close)
  assert.deepEqual(await textsOf(page, '.friends strong'), ['alice', 'carol', 'dave'])
  assert.equal(await page.locator('.friends > li.up').count(), 3)

  await mesh.node('alice').ban('203.0.113.7')
  await row(page, '203.0.113.7').waitFor()
  assert.match(await row(page, '203.0.113.7').innerText(), /80 %\s+manual\s+1\s+(59 min|1 h)/)
  await page.locator('.feed li.banned', { hasText: '203.0.113.7' }).waitFor()
  await page.locator('.tile.bad dd', { hasText: /^1$/ }).waitFor()
  await page.locator('.friends > li', { hasText: 'alice' }).locator('dd').nth(0).filter({ hasText: '1' }).waitFor()

  await mesh.node('alice').unban('203.0.113.7')
  await row(page, '203.0.113.7').waitFor({ state: 'detached' })
  await page.locator('.feed li.ended', { hasText: '203.0.113.7' }).waitFor()
  assert.deepEqual(complaints, [])
})

test('why is a picture of the paths with the trust at every hop, and follows what happens', { skip }, async (t) => {
  await mesh.node('alice').ban('203.0.113.9')
  await until(async () => (await mesh.node('carol').why('203.0.113.9')).evidence.length === 1, 'carol to hear of it')
  const { page, complaints, close } = await openDashboard(browser, urls.get('carol')!)
  t.after(close)
  await page.getByRole('button', { name: 'Held' }).click()
  await row(page, '203.0.113.9').getByRole('button').click()
  await page.locator('dialog .verdict', { hasText: 'Held' }).waitFor()
  assert.deepEqual(await textsOf(page, '.paths .node .name'), ['this node', 'bob', short('alice')])
  assert.deepEqual(await textsOf(page, '.paths .node .note'), ['', '80 %', '64 %'])
  assert.deepEqual(await textsOf(page, '.paths .edge text'), ['80 %', '80 %'])
  assert.deepEqual(await textsOf(page, '.paths .jail'), ['manual'])
  assert.deepEqual(await textsOf(page, '.score dd'), ['64 %', '80 %'])
  assert.match(
    (await textsOf(page, '.paths-list li'))[0]!,
    new RegExp(`^this node → bob 80 % → ${short('alice')} 80 % = 64 % jail manual`)
  )

  await mesh.node('dave').ban('203.0.113.9')
  await page.locator('dialog .verdict', { hasText: 'Banned' }).waitFor()
  assert.deepEqual(await textsOf(page, '.score dd'), ['80 %', '80 %'])
  const names = await textsOf(page, '.paths .node .name')
  assert.deepEqual(names.slice(0, 2), ['this node', 'bob'])
  assert.deepEqual(names.slice(2).sort(), [short('alice'), short('dave')].sort())
  assert.deepEqual(complaints, [])
})

test(
  'search finds by address, by the range that covers it and by jail, and says if there is nothing',
  { skip },
  async (t) => {
    const bob = mesh.node('bob')
    for (const subject of ['198.51.100.0/24', '192.0.2.44', '2001:db8::1']) await bob.ban(subject)
    await bob.call({ method: 'POST', path: '/v1/bans', body: { subject: '192.0.2.99', jail: 'postfix-sasl' } })
    const { page, close } = await openDashboard(browser, urls.get('bob')!)
    t.after(close)
    const search = page.getByRole('searchbox')
    const found = () => textsOf(page, 'table.bans tbody .subject')
    const expected: [string, string[]][] = [
      ['198.51.100.77', ['198.51.100.0/24']],
      ['192.0.2.4', ['192.0.2.44']],
      ['2001:DB8:0::1', ['2001:db8::1']],
      ['192.0.2.0/24', ['192.0.2.44', '192.0.2.99']],
      ['postfix', ['192.0.2.99']]
    ]
    for (const [text, subjects] of expected) {
      await search.fill(text)
      await until(async () => (await found()).join() === subjects.join(), `${text} to find ${subjects.join()}`)
    }
    await search.fill('192.0.2.250')
    await page.getByText('Nothing matches.').waitFor()
    // An address that nobody has reported has a why, too.
    await search.press('Enter')
    await page.locator('dialog .verdict', { hasText: 'Not banned nobody says that it should be banned.' }).waitFor()
    await page.keyboard.press('Escape')
    // One that a range covers names it, and the range is asked by a click.
    await search.fill('198.51.100.77')
    await search.press('Enter')
    await page.locator('dialog .verdict', { hasText: 'Not banned by itself nobody says' }).waitFor()
    const cover = page.locator('dialog .verdict', { hasText: 'Banned as part of 198.51.100.0/24' })
    await cover.getByRole('button').click()
    await page.locator('dialog .verdict', { hasText: 'Banned this node bans it itself.' }).waitFor()
    assert.equal(await cover.count(), 0)
    await page.keyboard.press('Escape')
    await search.fill('no address')
    await search.press('Enter')
    await page.getByRole('alert').filter({ hasText: 'that is not an IP address or CIDR' }).waitFor()
  }
)

test('many bans come in pages', { skip }, async (t) => {
  const bob = mesh.node('bob')
  await Promise.all(Array.from({ length: 60 }, (_, i) => bob.ban(`99.64.9.${i}`)))
  // The first in the list as long as the search has no answer.
  await bob.ban('192.0.2.200')
  const { page, close } = await openDashboard(browser, urls.get('bob')!)
  t.after(close)
  await page.getByRole('searchbox').fill('99.64.9.')
  const count = () => page.locator('table.bans tbody tr').count()
  const first = page.locator('table.bans tbody .subject').first()
  await first.filter({ hasText: '99.64.9.' }).waitFor()
  assert.equal(await count(), 50)
  await page.getByRole('button', { name: 'Show more' }).click()
  await until(async () => (await count()) === 60, 'the second page')
  assert.equal(await page.getByRole('button', { name: 'Show more' }).count(), 0)
  const subjects = await textsOf(page, 'table.bans tbody .subject')
  assert.equal(new Set(subjects).size, 60)
})

test(
  'without the token the dashboard shows and changes nothing; with it the operator bans and unbans',
  { skip },
  async (t) => {
    const { page, complaints, close } = await openDashboard(browser, urls.get('dave')!)
    t.after(close)
    assert.equal(await page.locator('.ban-form').count(), 0)
    await page.getByRole('searchbox').fill('203.0.113.50')
    await page.getByRole('searchbox').press('Enter')
    await page.locator('dialog .actions', { hasText: 'Read-only.' }).waitFor()
    assert.equal(await page.locator('dialog').getByRole('button', { name: /ban/i }).count(), 0)
    await page.keyboard.press('Escape')

    await page.getByRole('button', { name: 'Unlock actions' }).first().click()
    await page.getByLabel('Token').fill('not the token')
    await page.getByRole('button', { name: 'Unlock', exact: true }).click()
    await page.getByRole('alert').filter({ hasText: 'That is not the token.' }).waitFor()
    await page.getByLabel('Token').fill(tokens.get('dave')!)
    await page.getByRole('button', { name: 'Unlock', exact: true }).click()

    const form = page.locator('.ban-form')
    await form.getByPlaceholder('Address or range').fill('203.0.113.50')
    await form.getByRole('button', { name: 'Ban' }).click()
    await page.locator('.notice.done', { hasText: 'Banned 203.0.113.50' }).waitFor()
    await until(async () => (await mesh.node('bob').why('203.0.113.50')).accepted, 'bob to hear of it')

    await form.getByPlaceholder('Address or range').fill('127.0.0.1')
    await form.getByRole('button', { name: 'Ban' }).click()
    await page.locator('.notice.failed', { hasText: '127.0.0.1: it is an address of this server' }).waitFor()

    await page.getByRole('searchbox').fill('203.0.113.50')
    await page.getByRole('searchbox').press('Enter')
    await page.getByRole('button', { name: 'Unban and veto' }).click()
    await page.locator('dialog .verdict', { hasText: 'Not banned' }).waitFor()
    await until(async () => !(await mesh.node('bob').why('203.0.113.50')).accepted, 'bob to let it go')
    await page.getByRole('button', { name: 'Forget the veto' }).click()
    await page.getByRole('button', { name: 'Unban and veto' }).waitFor()
    await page.keyboard.press('Escape')
    await page.getByRole('button', { name: 'Pause the hand-off' }).click()
    await page.locator('.warnings', { hasText: 'Paused: nothing is handed over.' }).waitFor()
    assert.equal((await mesh.node('dave').status()).paused, true)
    await page.getByRole('button', { name: 'Resume the hand-off' }).click()
    await page.getByRole('button', { name: 'Pause the hand-off' }).waitFor()
    assert.equal((await mesh.node('dave').status()).paused, false)
    await page.getByText('Flush…').click()
    await page.getByRole('button', { name: 'Flush them' }).click()
    await page.locator('.notice.done', { hasText: 'taken back' }).waitFor()
    await page.getByRole('button', { name: 'Lock' }).click()
    await form.waitFor({ state: 'detached' })
    assert.deepEqual(complaints, [])
  }
)

test('a token in the address unlocks, and does not stay there; another tab starts locked', { skip }, async (t) => {
  const url = urls.get('dave')!
  const { page, close } = await openDashboard(browser, `${url}#token=${tokens.get('dave')}`)
  t.after(close)
  await page.locator('.ban-form').waitFor()
  assert.doesNotMatch(page.url(), /token/)
  await page.reload()
  await page.locator('.ban-form').waitFor()
  const other = await page.context().newPage()
  await until(() => other.goto(url).catch(() => null), 'the other tab')
  await other.getByRole('button', { name: 'Unlock actions' }).waitFor()
  assert.equal(await other.locator('.ban-form').count(), 0)
})

test('a foreign page can neither read nor act, whatever it knows', { skip }, async (t) => {
  const evil = createServer((_request, response) => response.setHeader('content-type', 'text/html').end('<p>evil</p>'))
  evil.listen(0, '127.0.0.1')
  const context = await browser.newContext()
  t.after(async () => {
    await context.close()
    evil.close()
  })
  const page = await context.newPage()
  const from = `http://127.0.0.1:${await until(() => (evil.address() as AddressInfo | null)?.port, 'the evil page')}/`
  await until(() => page.goto(from).catch(() => null), 'the evil page')
  const body = '{"subject":"203.0.113.66"}'
  const outcome = await page.evaluate(
    async ([url, token, json]) => {
      const attempt = (path: string, init: RequestInit) =>
        fetch(url + path, init).then(
          (response) => response.type,
          () => 'refused'
        )
      const authorization = `Bearer ${token}`
      return [
        await attempt('api/overview', {}),
        await attempt('api/ban', {
          method: 'POST',
          body: json,
          headers: { authorization, 'content-type': 'application/json' }
        }),
        await attempt('api/ban', {
          method: 'POST',
          body: json,
          mode: 'no-cors',
          headers: { 'content-type': 'text/plain' }
        })
      ]
    },
    [urls.get('dave')!, tokens.get('dave')!, body] as const
  )
  assert.deepEqual(outcome.slice(0, 2), ['refused', 'refused'])
  assert.equal((await mesh.node('dave').why('203.0.113.66')).accepted, false)
  const framed = await page.evaluate(async (url) => {
    const frame = document.createElement('iframe')
    const loaded = new Promise((resolve) => frame.addEventListener('load', resolve))
    frame.src = url
    document.body.append(frame)
    await loaded
    return frame.contentDocument !== null
  }, urls.get('dave')!)
  assert.equal(framed, false)
})

test('by keyboard alone: to the bans, into a why and back to where one was', { skip }, async (t) => {
  await mesh.node('bob').ban('203.0.113.20')
  const { page, close } = await openDashboard(browser, urls.get('bob')!)
  t.after(close)
  await page.getByRole('searchbox').fill('203.0.113.20')
  await until(async () => (await page.locator('table.bans tbody tr').count()) === 1, 'one row')
  await page.keyboard.press('Home')
  const focused = () => page.evaluate(() => document.activeElement?.textContent)
  await page.getByRole('searchbox').focus()
  for (let i = 0; i < 6 && (await focused()) !== '203.0.113.20'; i++) await page.keyboard.press('Tab')
  assert.equal(await focused(), '203.0.113.20')
  await page.keyboard.press('Enter')
  await page.getByRole('dialog', { name: '203.0.113.20' }).waitFor()
  await page.keyboard.press('Escape')
  await page.getByRole('dialog').waitFor({ state: 'hidden' })
  assert.equal(await focused(), '203.0.113.20')
  await until(() => !page.url().includes('why'), 'the address without the why')
})

test('every control has a name, every picture a text, and the text its contrast in both modes', { skip }, async (t) => {
  for (const colorScheme of ['light', 'dark'] as const) {
    const { page, close } = await openDashboard(browser, `${urls.get('bob')}#token=${tokens.get('bob')}`, {
      colorScheme
    })
    t.after(close)
    await page.locator('.ban-form').waitFor()
    await page.locator('table.bans').waitFor()
    const nameless = await page.evaluate(() =>
      [...document.querySelectorAll('button, input, select, svg[role=img], [role=img], section, dialog')]
        .filter((element) => {
          const labels = (element as HTMLInputElement).labels
          const by = element.getAttribute('aria-labelledby')
          const named = by === null ? null : document.getElementById(by)
          const text = element.getAttribute('aria-label') ?? named?.textContent ?? labels?.[0]?.textContent
          return !(text ?? element.textContent)?.trim()
        })
        .filter((element) => element.tagName !== 'DIALOG')
        .map((element) => element.outerHTML.slice(0, 80))
    )
    assert.deepEqual(nameless, [])
    const contrasts = await page.evaluate(contrastsOf, [
      '.quiet',
      '.subject',
      'h2',
      '.tile dt',
      'header button',
      '.jail',
      '.word'
    ])
    assert.ok(contrasts.length > 10)
    for (const { text, ratio } of contrasts)
      assert.ok(ratio >= 4.5, `${colorScheme}: "${text}" has ${ratio.toFixed(2)}`)
  }
})

/** Runs in the page: the ratio of WCAG 2 between a text and what is behind it. */
function contrastsOf(selectors: readonly string[]): { text: string; ratio: number }[] {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true })!
  const rgb = (colour: string): number[] => {
    canvas.clearRect(0, 0, 1, 1)
    canvas.fillStyle = colour
    canvas.fillRect(0, 0, 1, 1)
    return [...canvas.getImageData(0, 0, 1, 1).data]
  }
  const luminance = (colour: readonly number[]): number => {
    const [r, g, b] = colour.slice(0, 3).map((value) => {
      const share = value / 255
      return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
    })
    return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!
  }
  const behind = (element: Element): number[] => {
    for (let at: Element | null = element; at !== null; at = at.parentElement) {
      const colour = rgb(getComputedStyle(at).backgroundColor)
      if (colour[3] === 255) return colour
    }
    return [255, 255, 255]
  }
  return selectors.flatMap((selector) =>
    [...document.querySelectorAll(selector)].slice(0, 5).map((element) => {
      const [a, b] = [luminance(rgb(getComputedStyle(element).color)), luminance(behind(element))]
      const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)
      return { text: element.textContent.slice(0, 30), ratio }
    })
  )
}

test('dark and light follow the system, or what was chosen, which is remembered', { skip }, async (t) => {
  const { page, close } = await openDashboard(browser, urls.get('bob')!, { colorScheme: 'dark' })
  t.after(close)
  const brightness = () =>
    page.evaluate(() => {
      const [r] = /\d+/.exec(getComputedStyle(document.body).backgroundColor) ?? []
      return Number(r)
    })
  assert.ok((await brightness()) < 60)
  await page.emulateMedia({ colorScheme: 'light' })
  assert.ok((await brightness()) > 200)
  await page.getByRole('button', { name: 'Theme: auto' }).click()
  await page.getByRole('button', { name: 'Theme: light' }).click()
  await page.getByRole('button', { name: 'Theme: dark' }).waitFor()
  assert.ok((await brightness()) < 60)
  await page.reload()
  await page.getByRole('button', { name: 'Theme: dark' }).waitFor()
  assert.ok((await brightness()) < 60)
})

test('at 390 pixels nothing is wider than the screen, and everything is there', { skip }, async (t) => {
  await mesh.node('alice').ban('203.0.113.99')
  await mesh.node('bob').ban('2001:db8:1111:2222:3333:4444:5555:6666')
  const url = `${urls.get('bob')}#why=203.0.113.99`
  const { page, close } = await openDashboard(browser, url, { viewport: { width: 390, height: 844 }, hasTouch: true })
  t.after(close)
  await page.locator('svg.paths').waitFor()
  const width = () => page.evaluate(() => document.documentElement.scrollWidth)
  assert.equal(await width(), 390)
  const box = await page.locator('dialog[open]').boundingBox()
  assert.ok(box !== null && box.x >= 0 && box.x + box.width <= 390 && box.y >= 0 && box.y + box.height <= 844)
  await page.getByRole('button', { name: 'Close' }).click()
  await page.getByRole('searchbox').fill('2001:db8:1111')
  await row(page, '2001:db8:1111:2222:3333:4444:5555:6666').waitFor()
  assert.equal(await width(), 390)
  for (const name of ['Bans', 'Over time', 'Friends', 'Live']) {
    assert.ok(await page.getByRole('region', { name, exact: true }).first().isVisible(), name)
  }
  const small = await page.evaluate(() =>
    [...document.querySelectorAll('button')]
      .map((button) => button.getBoundingClientRect())
      .filter(({ width: w, height }) => w > 0 && (height < 24 || w < 24))
  )
  assert.deepEqual(small, [])
})

test('a daemon that is gone is shown as gone, and found again', { skip }, async (t) => {
  const dave = mesh.node('dave')
  const { page, close } = await openDashboard(browser, urls.get('bob')!)
  t.after(close)
  await dave.stop()
  await page.locator('.friends > li.down', { hasText: 'dave' }).waitFor()
  await page.locator('.feed li.gone', { hasText: 'dave' }).waitFor()
  await dave.start()
  await page.locator('.friends > li.up', { hasText: 'dave' }).waitFor({ timeout: 60_000 })
})
