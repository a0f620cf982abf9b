import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { createControlClient, type ControlRequest } from '../../src/control/client.ts'
import { CONTROL_LIMITS, createControlServer, type ControlPort } from '../../src/control/server.ts'
import { until } from '../support/until.ts'

test('a request that fails by a fault of ours is told with its route and its error, and one by the client is not', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'banmesh-control-'))
  const failures: [string, unknown][] = []
  const broken = new Error('a disk that fails')
  const port: Partial<ControlPort> = {
    why() {
      throw broken
    },
    status: () => Promise.reject(broken),
    failed: (route, error) => void failures.push([route, error])
  }
  const server = createControlServer(port as ControlPort)
  const socketPath = join(folder, 'control.sock')
  assert.ok((await server.listen(socketPath)).ok)
  t.after(async () => {
    await server.close()
    rmSync(folder, { recursive: true })
  })
  const call = createControlClient({ socketPath, timeoutMs: 5000 })
  const status = async (request: ControlRequest): Promise<unknown> => {
    const answer = await call(request)
    return answer.ok || !('status' in answer) ? answer : answer.status
  }
  assert.equal(await status({ method: 'GET', path: '/v1/why/nonsense' }), 400)
  assert.equal(await status({ method: 'POST', path: '/v1/bans', body: { subject: 7 } }), 400)
  assert.equal(await status({ method: 'GET', path: '/v1/nowhere' }), 404)
  const misspelt = await call({ method: 'GET', path: '/v1/why/%zz' })
  assert.ok(!misspelt.ok && misspelt.reason === 'refused')
  assert.deepEqual([misspelt.status, misspelt.error.reason], [400, 'bad-request'])
  assert.deepEqual(failures, [])
  assert.equal(await status({ method: 'GET', path: '/v1/why/203.0.113.7' }), 500)
  assert.equal(await status({ method: 'GET', path: '/v1/status' }), 500)
  assert.deepEqual(failures, [
    ['GET /v1/why/:subject', broken],
    ['GET /v1/status', broken]
  ])
})

test('who does not end its requests keeps nobody out: the places are bounded, and come free in time', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'banmesh-control-'))
  const identity = (): unknown => ({ peerId: 'x', addresses: [], network: 'test' })
  const server = createControlServer({ identity } as ControlPort, {
    ...CONTROL_LIMITS,
    connections: 3,
    requestMs: 300,
    checkMs: 50
  })
  const socketPath = join(folder, 'control.sock')
  assert.ok((await server.listen(socketPath)).ok)
  const sockets: Socket[] = []
  t.after(async () => {
    for (const socket of sockets) socket.destroy()
    await server.close()
    rmSync(folder, { recursive: true })
  })
  let closed = 0
  const begin = (said: string): Socket => {
    const socket = connect(socketPath, () => socket.write(said))
    socket.on('error', () => undefined).on('close', () => closed++)
    sockets.push(socket.resume())
    return socket
  }
  const call = createControlClient({ socketPath, timeoutMs: 5000 })
  const answers = async (): Promise<boolean> => (await call({ method: 'GET', path: '/v1/id' })).ok
  for (const said of ['GET /v1/id HT', '']) begin(said)
  await until(answers, 'the third place')
  begin('POST /v1/bans HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{')
  await until(async () => !(await answers()), 'all places to be taken')
  assert.equal(closed, 0)
  await until(answers, 'a place to be free again')
  await until(() => closed === 3, 'all of them to be closed')
})
