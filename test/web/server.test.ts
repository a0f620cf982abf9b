/** The web server on a real port: who is refused, what every answer carries, what the actions take. */
import assert from 'node:assert/strict'
import { request, type IncomingHttpHeaders } from 'node:http'
import { connect } from 'node:net'
import { after, before, test } from 'node:test'
import { createWebServer, PAGE_ROWS, WEB_LIMITS, type WebServer } from '../../src/web/server.ts'
import { STREAM_READERS } from '../../src/web/event-stream.ts'
import { until } from '../support/until.ts'
import { createFakePort } from './fake-port.ts'

const TOKEN = 'secret-token'
const JSON_TYPE = { 'content-type': 'application/json' }
const AUTHORIZED = { ...JSON_TYPE, authorization: `Bearer ${TOKEN}` }

const port = createFakePort()
let server: WebServer
let tcpPort = 0

before(async () => {
  server = createWebServer(port, { token: TOKEN, now: Date.now })
  const listening = await server.listen('127.0.0.1', 0)
  assert(listening.ok)
  tcpPort = listening.value.port
})
after(() => server.close())

interface Got {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** Unlike fetch, this sends whatever Host it is told to. */
function ask(method: string, path: string, headers: Record<string, string> = {}, body?: string): Promise<Got> {
  const { promise, resolve, reject } = Promise.withResolvers<Got>()
  const asking = request({ host: '127.0.0.1', port: tcpPort, method, path, headers }, (response) => {
    let text = ''
    response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
    response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, body: text }))
  })
  asking.on('error', reject).end(body)
  return promise
}

const reasonOf = ({ body }: Got): string => (JSON.parse(body) as { error: { reason: string } }).error.reason

test('the server answers to addresses and localhost, and to no other name', async () => {
  const welcome = ['127.0.0.1', `127.0.0.1:${tcpPort}`, 'localhost', 'LOCALHOST:8000', '[::1]:7338', '192.0.2.1:80']
  for (const host of welcome) assert.equal((await ask('GET', '/api/overview', { host })).status, 200, host)
  const foreign = ['evil.example', 'evil.example:7338', 'localhost.evil.example', '127.0.0.1.nip.io', '[::1', 'a b']
  for (const host of foreign) {
    for (const path of ['/', '/api/overview', '/metrics', '/nothing']) {
      const got = await ask('GET', path, { host })
      assert.ok(got.status === 421 || got.status === 400, `${host} ${path}: ${got.status}`)
    }
  }
  const rebound = await ask('POST', '/api/ban', { ...AUTHORIZED, host: 'evil.example' }, '{"subject":"192.0.2.1"}')
  assert.equal(reasonOf(rebound), 'foreign-host')
  assert.deepEqual(port.done, [])
})

test('every answer tells the browser to be strict, errors too', async () => {
  for (const path of ['/', '/page/main.js', '/api/overview', '/api/why/junk', '/nothing', '/metrics']) {
    const { headers } = await ask('GET', path)
    const policy = String(headers['content-security-policy'])
    for (const part of ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "form-action 'none'"]) {
      assert.ok(policy.includes(part), `${path}: ${part}`)
    }
    assert.doesNotMatch(policy, /unsafe|\*|https?:/, path)
    assert.equal(headers['x-content-type-options'], 'nosniff', path)
    assert.equal(headers['access-control-allow-origin'], undefined, path)
  }
})

test('the page and all that it imports are served, and nothing above', async () => {
  const seen = new Set<string>()
  const follow = async (path: string): Promise<void> => {
    if (seen.has(path)) return
    seen.add(path)
    const { status, headers, body } = await ask('GET', path)
    assert.equal(status, 200, path)
    if (!path.endsWith('.js')) return
    assert.match(String(headers['content-type']), /^text\/javascript/)
    for (const [, name] of body.matchAll(/^(?:import|export|\}).*? from\s*['"](.+?)['"]/gm)) {
      assert.match(name!, /^\.\/[\w-]+\.js$/, `${path} imports ${name}`)
      await follow(`/page/${name!.slice(2)}`)
    }
  }
  const { body } = await ask('GET', '/')
  assert.doesNotMatch(body, /<script(?! type="module" src=)|\son\w+=|style=/)
  for (const [, path] of body.matchAll(/(?:src|href)="(\/page\/[^"]+)"/g)) await follow(path!)
  assert.ok(seen.has('/page/preact.js') && seen.has('/page/uplot.js') && seen.size > 15, [...seen].join(' '))
  for (const path of ['/page/..%2fserver.ts', '/page/%2e%2e/api.ts', '/page/main.ts', '/page/tsconfig.json']) {
    assert.notEqual((await ask('GET', path)).status, 200, path)
  }
})

test('a file that the browser has already is not sent again', async () => {
  const first = await ask('GET', '/page/style.css')
  const again = await ask('GET', '/page/style.css', { 'if-none-match': String(first.headers.etag) })
  assert.deepEqual([again.status, again.body], [304, ''])
})

test('without the token, or with a wrong one, nothing can be changed', async () => {
  const body = '{"subject":"192.0.2.1"}'
  const wrong = ['', 'Bearer', `Bearer ${TOKEN}x`, `bearer ${TOKEN}`, TOKEN, `Basic ${btoa(`:${TOKEN}`)}`]
  const settings = ['/api/friend', '/api/friend/remove', '/api/allow', '/api/disallow']
  const actions = ['/api/ban', '/api/unban', '/api/forget-veto', '/api/pause', '/api/resume', '/api/flush']
  for (const path of [...actions, ...settings]) {
    for (const authorization of wrong) {
      const got = await ask('POST', path, { ...JSON_TYPE, authorization }, body)
      assert.equal(got.status, 401, `${path} ${authorization}`)
    }
  }
  for (const path of ['/api/session', '/api/allowlist']) assert.equal((await ask('GET', path)).status, 401)
  assert.equal((await ask('GET', '/api/session', { authorization: `Bearer ${TOKEN}` })).status, 200)
  assert.deepEqual(port.done, [])
})

test('what a foreign page can send is refused, even with the token', async () => {
  const body = '{"subject":"192.0.2.1"}'
  const { authorization } = AUTHORIZED
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x']) {
    const got = await ask('POST', '/api/ban', { authorization, 'content-type': type }, body)
    assert.equal(got.status, 415, type)
  }
  for (const origin of ['http://evil.example', 'null', `http://127.0.0.1:${tcpPort + 1}`, `https://localhost`]) {
    const got = await ask('POST', '/api/ban', { ...AUTHORIZED, origin }, body)
    assert.equal(reasonOf(got), 'foreign-origin', origin)
  }
  const preflight = await ask('OPTIONS', '/api/ban', {
    origin: 'http://evil.example',
    'access-control-request-method': 'POST'
  })
  assert.notEqual(preflight.status, 200)
  assert.equal(preflight.headers['access-control-allow-origin'], undefined)
  assert.deepEqual(port.done, [])
})

test('actions reach the daemon with a canonical subject, and its refusals come back', async () => {
  const origin = `http://127.0.0.1:${tcpPort}`
  const banned = await ask(
    'POST',
    '/api/ban',
    { ...AUTHORIZED, origin },
    '{"subject":" ::ffff:192.0.2.1 ","ttlSeconds":60}'
  )
  assert.equal(banned.status, 200)
  assert.equal((await ask('POST', '/api/unban', AUTHORIZED, '{"subject":"192.0.2.7/24"}')).status, 200)
  assert.deepEqual(port.done.splice(0), ['ban 192.0.2.1 60', 'unban 192.0.2.0/24'])
  const refused = await ask('POST', '/api/forget-veto', AUTHORIZED, '{"subject":"192.0.2.1"}')
  assert.equal(refused.status, 403)
  assert.deepEqual(JSON.parse(refused.body), {
    error: { reason: 'no-veto', message: 'there is none', hint: 'look again' }
  })
  for (const name of ['pause', 'resume', 'flush']) {
    assert.equal((await ask('POST', `/api/${name}`, AUTHORIZED, '{}')).status, 200)
    assert.equal((await ask('POST', `/api/${name}`, AUTHORIZED)).status, 400)
    assert.equal((await ask('POST', `/api/${name}`, AUTHORIZED, '{"all":true}')).status, 400)
  }
  assert.deepEqual(port.done.splice(0), ['pause', 'resume', 'flush'])
  const junk: [string, number][] = [
    ['{"subject":"localhost"}', 400],
    ['{"subject":"192.0.2.0/8"}', 403],
    ['{"subject":1}', 400],
    ['{}', 400],
    ['{"subject":"192.0.2.1","jail":"x"}', 400],
    ['{"subject":"192.0.2.1","ttlSeconds":0}', 400],
    ['{"subject":"192.0.2.1"', 400],
    [`{"subject":"${'1'.repeat(65)}"}`, 400],
    [`{"subject":"${'1'.repeat(5000)}"}`, 413]
  ]
  for (const [body, status] of junk)
    assert.equal((await ask('POST', '/api/ban', AUTHORIZED, body)).status, status, body)
  assert.deepEqual(port.done, [])
})

test('a page of verdicts is bounded, and strange questions are refused', async () => {
  assert.equal((await ask('GET', '/api/verdicts?state=held&text=ssh&after=192.0.2.1&limit=999')).status, 200)
  assert.deepEqual(port.queries.at(-1), { state: 'held', text: 'ssh', after: '192.0.2.1', limit: PAGE_ROWS })
  for (const query of ['state=some', 'limit=0', 'limit=-1', 'limit=1e9', `text=${'x'.repeat(65)}`]) {
    assert.equal((await ask('GET', `/api/verdicts?${query}`)).status, 400, query)
  }
})

test('health is told in words and a status', async (t) => {
  assert.equal((await ask('GET', '/healthz')).status, 200)
  assert.deepEqual((await ask('GET', '/readyz')).body, 'ready\n')
  assert.match(String((await ask('GET', '/metrics')).headers['content-type']), /^text\/plain; version=0\.0\.4/)

  const broken = createWebServer(createFakePort({ failing: ['the hand-off to log fails: ENOSPC'] }), {
    token: null,
    now: Date.now
  })
  t.after(() => broken.close())
  const listening = await broken.listen('127.0.0.1', 0)
  assert(listening.ok)
  const url = `http://127.0.0.1:${listening.value.port}`
  const ready = await fetch(`${url}/readyz`)
  assert.deepEqual([ready.status, await ready.text()], [503, 'the hand-off to log fails: ENOSPC\n'])
  // Without a token of ours, none is the right one.
  const action = await fetch(`${url}/api/unban`, {
    method: 'POST',
    headers: AUTHORIZED,
    body: '{"subject":"192.0.2.1"}'
  })
  assert.equal(action.status, 401)
})

test('a port that is taken is told', async () => {
  const second = createWebServer(port, { token: null, now: Date.now })
  assert.deepEqual(await second.listen('127.0.0.1', tcpPort), { ok: false, reason: 'cannot-listen' })
  await second.close()
})

test('the stream sends what has happened, then what happens; one reader too many is refused', async () => {
  const nothing = { subject: null, score: null, until: null, origins: null, jail: null }
  const url = `http://127.0.0.1:${tcpPort}/api/events`
  port.happen({ ...nothing, kind: 'connected', name: 'alice' }, { ...nothing, kind: 'gone', name: 'alice' })
  const gone = new AbortController()
  const readers = await Promise.all(
    Array.from({ length: STREAM_READERS }, (_, i) =>
      fetch(url, { signal: gone.signal, headers: { 'last-event-id': i === 0 ? '1' : 'junk' } })
    )
  )
  assert.ok(readers.every(({ status }) => status === 200))
  assert.equal((await fetch(url)).status, 503)

  const texts = ['', '']
  const listen = async (index: number): Promise<void> => {
    for await (const chunk of readers[index]!.body!) texts[index] += Buffer.from(chunk).toString()
  }
  const ended = Promise.allSettled([listen(0), listen(1)])
  port.happen({ ...nothing, kind: 'banned', subject: '192.0.2.1', name: null })
  await until(() => texts.every((text) => text.includes('192.0.2.1')), 'both readers to hear of it')
  assert.doesNotMatch(texts[0]!, /"kind":"connected"/)
  assert.match(texts[0]!, /^id: 2\ndata: \[{.*"kind":"gone"/m)
  assert.match(texts[1]!, /"kind":"connected"/)
  gone.abort()
  await ended
  await until(() => port.listeners() === 0, 'the server to notice that nobody reads any more')
})

test('settings are taken as they are meant, and nothing else', async () => {
  const change = async (path: string, body: object): Promise<number> =>
    (await ask('POST', path, AUTHORIZED, JSON.stringify(body))).status
  const name = (length: number): string => 'a'.repeat(length)
  for (const [status, path, body] of [
    [200, '/api/friend', { id: 'x', trust: 0 }],
    [200, '/api/friend', { id: 'x', trust: 100, observe: true, paused: false }],
    [400, '/api/friend', { id: 'x', trust: 101 }],
    [400, '/api/friend', { id: 'x', trust: -1 }],
    [400, '/api/friend', { id: 'x', trust: 1.5 }],
    [400, '/api/friend', { id: 'x', trust: '80' }],
    [400, '/api/friend', { id: 'x', paused: 1 }],
    [400, '/api/friend', { id: 'x', name: 'y' }],
    [400, '/api/friend', { trust: 80 }],
    [200, '/api/friend/remove', { id: name(128) }],
    [400, '/api/friend/remove', { id: name(129) }],
    [200, '/api/allow', { entry: name(254) }],
    [400, '/api/allow', { entry: name(255) }],
    [400, '/api/allow', { subject: '192.0.2.1' }],
    [404, '/api/disallow', { entry: '192.0.2.1' }]
  ] as const) {
    assert.equal(await change(path, body), status, `${path} ${JSON.stringify(body).slice(0, 60)}`)
  }
  assert.deepEqual(port.done, [
    'friend x {"trust":0}',
    'friend x {"trust":100,"observe":true,"paused":false}',
    `friend-remove ${name(128)}`,
    `allow ${name(254)}`
  ])
  const { authorization } = AUTHORIZED
  assert.deepEqual(JSON.parse((await ask('GET', '/api/allowlist', { authorization })).body), ['192.0.2.0/24'])
})

test('who does not end its requests keeps nobody out: the places are bounded, and come free in time', async (t) => {
  const limits = { ...WEB_LIMITS, connections: 2, requestMs: 300, checkMs: 50 }
  const small = createWebServer(createFakePort(), { token: null, now: Date.now }, limits)
  const listening = await small.listen('127.0.0.1', 0)
  assert(listening.ok)
  const url = `http://127.0.0.1:${listening.value.port}/healthz`
  const answers = () =>
    fetch(url, { headers: { connection: 'close' } }).then(
      ({ ok }) => ok,
      () => false
    )
  assert.equal(await answers(), true)
  let closed = 0
  const sockets = ['GET / HT', 'POST /api/ban HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{'].map(
    (said) => {
      const socket = connect(listening.value.port, '127.0.0.1', () => socket.write(said))
      return socket
        .on('error', () => {})
        .on('close', () => closed++)
        .resume()
    }
  )
  t.after(async () => {
    for (const socket of sockets) socket.destroy()
    await small.close()
  })
  await until(async () => !(await answers()), 'both places to be taken')
  await until(answers, 'a place to be free again')
  await until(() => closed === 2, 'both to be closed')
})

test('a request that fails by a fault of ours is told with its route, and the browser hears no more than that', async (t) => {
  const broken = createFakePort()
  broken.why = () => {
    throw new Error('secret detail')
  }
  const failing = createWebServer(broken, { token: null, now: Date.now })
  t.after(() => failing.close())
  const listening = await failing.listen('127.0.0.1', 0)
  assert(listening.ok)
  const response = await fetch(`http://127.0.0.1:${listening.value.port}/api/why/203.0.113.7`)
  assert.equal(response.status, 500)
  assert.doesNotMatch(await response.text(), /secret/)
  assert.deepEqual(broken.done, ['failed GET /api/why/:subject'])
})
