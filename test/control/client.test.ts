import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { createControlClient, type ControlAnswer, type ControlRequest } from '../../src/control/client.ts'

const STATUS: ControlRequest = { method: 'GET', path: '/v1/status' }

function createFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'banmesh-client-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return folder
}

/** A server that does with each connection what it is told; returns its socket's path. */
async function serve(t: TestContext, onConnection: (socket: Socket) => void): Promise<string> {
  const path = join(createFolder(t), 'control.sock')
  const server: Server = createServer((socket) => {
    socket.on('error', () => undefined)
    onConnection(socket)
  })
  const { promise, resolve } = Promise.withResolvers<void>()
  server.listen(path, resolve)
  await promise
  t.after(() => server.close())
  return path
}

function ask(socketPath: string, request = STATUS, timeoutMs = 5000): Promise<ControlAnswer> {
  return createControlClient({ socketPath, timeoutMs })(request)
}

test('a request is one HTTP/1.0 message with a JSON body', async (t) => {
  let heard = ''
  const path = await serve(t, (socket) => {
    socket.setEncoding('utf8').on('data', (text: string) => {
      heard += text
      if (heard.endsWith('}')) socket.end('HTTP/1.1 200 OK\r\n\r\n{}')
    })
  })
  await ask(path, { method: 'POST', path: '/v1/bans', body: { subject: 'é' } })
  assert.equal(
    heard,
    'POST /v1/bans HTTP/1.0\r\nHost: banmesh\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{"subject":"é"}'
  )
})

test('an answer is read in whatever pieces it comes', async (t) => {
  const body = JSON.stringify({ text: 'é'.repeat(10_000) })
  const answer = Buffer.from(`HTTP/1.1 200 OK\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`)
  const path = await serve(t, (socket) => {
    for (let i = 0; i < answer.length; i += 777) socket.write(answer.subarray(i, i + 777))
    socket.end()
  })
  assert.deepEqual(await ask(path), { ok: true, body: JSON.parse(body) })
})

test('an answer without a body is null', async (t) => {
  const path = await serve(t, (socket) => socket.end('HTTP/1.1 204 No Content\r\n\r\n'))
  assert.deepEqual(await ask(path), { ok: true, body: null })
})

test("the daemon's errors come with their status", async (t) => {
  const error = { reason: 'reserved', message: 'it is reserved', hint: 'none' }
  const path = await serve(t, (socket) => socket.end(`HTTP/1.1 403 Forbidden\r\n\r\n${JSON.stringify({ error })}`))
  assert.deepEqual(await ask(path), { ok: false, reason: 'refused', status: 403, error })
})

test('nobody there, and nobody let in, are told apart by the system', async (t) => {
  const folder = createFolder(t)
  const path = join(folder, 'control.sock')
  assert.deepEqual(await ask(path), { ok: false, reason: 'unreachable', code: 'ENOENT' })
  writeFileSync(path, '')
  assert.deepEqual(await ask(path), { ok: false, reason: 'unreachable', code: 'ECONNREFUSED' })
  assert.deepEqual(await ask(join(path, 'x')), { ok: false, reason: 'unreachable', code: 'ENOTDIR' })
  const long = await ask(`/${'x'.repeat(200)}`)
  assert.equal(!long.ok && long.reason, 'unreachable')
  if (process.getuid?.() === 0) return
  chmodSync(path, 0)
  assert.deepEqual(await ask(path), { ok: false, reason: 'unreachable', code: 'EACCES' })
})

test('what is no answer of ours is not understood', async (t) => {
  for (const answer of [
    '',
    'hello',
    'HTTP/1.1 200 OK\r\n\r\nnot json',
    'HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n{}',
    'HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{}',
    'HTTP/1.1 999 OK\r\n\r\n{}',
    'HTTP/2 200 OK\r\n\r\n{}',
    'HTTP/1.1 500 Oops\r\n\r\n{}',
    'HTTP/1.1 500 Oops\r\n\r\nnull',
    'HTTP/1.1 403 No\r\n\r\n{"error":{"reason":5,"message":"x"}}',
    `HTTP/1.1 200 OK\r\nx: ${'x'.repeat(16 * 1024)}\r\n\r\n{}`
  ]) {
    const path = await serve(t, (socket) => socket.end(answer))
    assert.deepEqual(await ask(path), { ok: false, reason: 'not-understood' }, answer.slice(0, 60))
  }
})

test('a server that says nothing is given up', async (t) => {
  const path = await serve(t, () => undefined)
  assert.deepEqual(await ask(path, STATUS, 50), { ok: false, reason: 'timeout' })
})
