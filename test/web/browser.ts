/** A real browser for tests: Debian's chromium, without a display, and what a page complained about. */
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core'
import { until } from '../support/until.ts'

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-dev-shm-usage'
]

export function launchBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: '/usr/bin/chromium', args: FLAGS })
}

export interface OpenPage {
  readonly page: Page
  /** Errors in the console, exceptions, alerts, requests to elsewhere. */
  readonly complaints: string[]
  close(): Promise<void>
}

/**
 * A dashboard in a browser profile of its own, returned when it has read its data and hears the stream. Interfaces that come and go elsewhere on
 * the machine (other tests have network namespaces) make chromium drop what it is loading: then it is asked again.
 */
export async function openDashboard(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {}
): Promise<OpenPage> {
  const context = await browser.newContext(options)
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('console', (message) => {
    const text = message.text()
    if (message.type() === 'error' && !/ERR_NETWORK_CHANGED|\b40[0-9]\b/.test(text)) complaints.push(text)
  })
  page.on('pageerror', (error) => complaints.push(error.message))
  page.on('dialog', (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`)
    void dialog.dismiss()
  })
  page.on('request', (request) => {
    if (new URL(request.url()).origin !== new URL(url).origin) complaints.push(`request to ${request.url()}`)
  })
  await until(
    async () => {
      await page.goto(url).catch(() => undefined)
      return page
        .waitForSelector('.page:has(.live.live):has(main[aria-busy=false])', { timeout: 5000 })
        .catch(() => null)
    },
    `the dashboard at ${url}`,
    60_000
  )
  return { page, complaints, close: () => context.close() }
}
