/** Whatever a name, a jail or an error says, in the browser it is text; and if it were not, nothing would run. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Browser } from 'playwright-core'
import type { FriendRow } from '../../src/web/api.ts'
import { createWebServer, type WebServer } from '../../src/web/server.ts'
import { requires } from '../support/requirements.ts'
import { until } from '../support/until.ts'
import { launchBrowser, openDashboard } from './browser.ts'
import { createFakePort, OVERVIEW, SELF } from './fake-port.ts'

const skip = requires({ commands: ['chromium'] })

const HOSTILE = `<img src=x onerror="window.pwned=1">'"><script>window.pwned=1</script><svg/onload=pwned=1>&lt;b&gt;`
const FRIEND: FriendRow = {
  id: `12D3KooW${HOSTILE}`,
  name: HOSTILE,
  trust: 80,
  observe: true,
  paused: false,
  connected: true,
  lastSeen: null,
  rttMs: 1,
  claims: 1,
  stats: { reports: 1, accepted: 1, confirmed: 0, disputed: 1, rejected: 1 },
  suggestedTrust: 60
}

const port = createFakePort({
  overview: {
    status: {
      ...OVERVIEW.status,
      version: HOSTILE,
      network: HOSTILE,
      lastError: HOSTILE,
      handoff: { log: { pending: 1, lastError: HOSTILE }, fail2ban: null, nftables: null, exec: null },
      alerts: [{ subject: HOSTILE, reason: 'own-address', by: [{ origin: HOSTILE, name: HOSTILE, via: [HOSTILE] }] }]
    },
    friends: [FRIEND]
  },
  rows: [
    {
      subject: HOSTILE,
      score: 80,
      accepted: true,
      until: 4_000_000_000,
      origins: 1,
      jail: HOSTILE,
      reason: HOSTILE,
      source: 'mesh'
    }
  ],
  why: {
    subject: HOSTILE,
    score: 80,
    threshold: 80,
    accepted: true,
    reason: HOSTILE,
    until: 4_000_000_000,
    coveredBy: HOSTILE,
    evidence: [
      {
        origin: SELF,
        jail: HOSTILE,
        until: 4_000_000_000,
        confidence: 80,
        path: [{ peer: HOSTILE, name: HOSTILE, trust: 80 }]
      }
    ]
  }
})
let server: WebServer
let browser: Browser
let url = ''

before(async () => {
  if (skip !== false) return
  server = createWebServer(port, { token: null, now: Date.now })
  const listening = await server.listen('127.0.0.1', 0)
  assert(listening.ok)
  url = `http://127.0.0.1:${listening.value.port}/`
  browser = await launchBrowser()
})
after(async () => {
  await browser?.close()
  await server?.close()
})

test(
  'hostile names, jails, reasons and errors are shown as they are, and nothing of them runs',
  { skip },
  async (t) => {
    const { page, complaints, close } = await openDashboard(browser, `${url}#why=192.0.2.1`)
    t.after(close)
    const nothing = { score: 80, until: 1, origins: 1, name: null }
    port.happen(
      { ...nothing, kind: 'alarm', subject: HOSTILE, jail: HOSTILE },
      { ...nothing, kind: 'connected', subject: null, jail: null, name: HOSTILE }
    )
    await page.locator('.feed li.connected').waitFor()
    await page.locator('svg.paths').waitFor()
    const shown: [string, string][] = [
      ['.friends strong', HOSTILE],
      ['.bans .subject', HOSTILE],
      ['.bans td.jail', HOSTILE],
      ['.feed .connected strong', HOSTILE],
      ['.feed .alarm .subject', HOSTILE],
      ['.who .chip', HOSTILE],
      ['.verdict button', HOSTILE],
      ['.warnings li:last-child', `Last error: ${HOSTILE}`]
    ]
    for (const [selector, text] of shown) assert.equal(await page.locator(selector).textContent(), text, selector)
    assert.match(
      (await page.locator('.paths-list li').textContent())!,
      /this node → <img src=x onerror=.* 80 % jail <img/
    )
    assert.match(
      (await page.locator('.warnings li').nth(1).textContent())!,
      /^Somebody bans <img .* not banned here\.$/
    )
    assert.match((await page.locator('.verdict').first().textContent())!, /<script>/)
    assert.equal(await page.locator('#app img:not(header img)').count(), 0)
    assert.equal(await page.locator('#app script').count(), 0)
    assert.equal(await page.evaluate('window.pwned'), undefined)
    assert.deepEqual(complaints, [])
  }
)

test('a script that got into the page would not run, nor load, nor send', { skip }, async (t) => {
  const { page, close } = await openDashboard(browser, url)
  t.after(close)
  const blocked = await page.evaluate(async () => {
    const violations: string[] = []
    document.addEventListener('securitypolicyviolation', (event) => violations.push(event.effectiveDirective))
    const attempts: (() => unknown)[] = [
      () => document.body.append(Object.assign(document.createElement('img'), { src: 'http://192.0.2.1/x.png' })),
      () => document.body.setAttribute('onclick', 'window.pwned=1'),
      () => document.body.append(Object.assign(document.createElement('script'), { text: 'window.pwned=1' })),
      () => document.body.click(),
      () => (document.body.innerHTML = '<img src=x>'),
      () => void fetch('http://192.0.2.1/').catch(() => undefined)
    ]
    for (const attempt of attempts) {
      try {
        attempt()
      } catch {
        violations.push('threw')
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 100))
    return violations
  })
  for (const directive of ['img-src', 'connect-src', 'require-trusted-types-for', 'threw']) {
    assert.ok(blocked.includes(directive), `${directive} in ${blocked.join(' ')}`)
  }
  assert.equal(await page.evaluate('window.pwned'), undefined)
})

test('a flood of events is a bounded page', { skip }, async (t) => {
  const { page, complaints, close } = await openDashboard(browser, url)
  t.after(close)
  for (let batch = 0; batch < 20; batch++) {
    port.happen(
      ...Array.from({ length: 500 }, (_, i) => ({
        kind: 'banned' as const,
        subject: `203.0.113.${i % 256}`,
        score: 80,
        until: 1,
        origins: 1,
        jail: 'sshd',
        name: null
      }))
    )
  }
  await until(async () => (await page.locator('.feed li').count()) === 40, 'the feed to be full')
  assert.deepEqual(complaints, [])
})
