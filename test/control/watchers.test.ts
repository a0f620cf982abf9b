import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import type { LiveEvent } from '../../src/control/api.ts'
import { createControlServer, type ControlPort } from '../../src/control/server.ts'
import { readLines, type StreamEnd } from '../../src/control/stream.ts'
import { UNREAD_BYTES, WATCHERS } from '../../src/control/watchers.ts'
import { createLive, LIVE_EVENTS, type Live } from '../../src/daemon/live.ts'
import { until } from '../support/until.ts'

interface Stand {
  readonly live: Live
  readonly socketPath: string
  close(): Promise<void>
}

async function listen(t: TestContext): Promise<Stand> {
  const folder = mkdtempSync(join(tmpdir(), 'banmesh-watch-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const socketPath = join(folder, 'control.sock')
  const live = createLive(() => 1_700_000_000_000)
  const port: Partial<ControlPort> = { subscribe: live.subscribe, now: () => 1_700_000_000_000 }
  const server = createControlServer(port as ControlPort)
  t.after(() => server.close())
  assert.equal((await server.listen(socketPath)).ok, true)
  return { live, socketPath, close: () => server.close() }
}

interface Reader {
  readonly events: LiveEvent[]
  readonly ended: Promise<StreamEnd>
  stop(): void
}

function read({ socketPath }: Stand): Reader {
  const events: LiveEvent[] = []
  const stopping = new AbortController()
  const ended = readLines({
    socketPath,
    path: '/v1/events',
    signal: stopping.signal,
    async line(text) {
      events.push(JSON.parse(text) as LiveEvent)
    }
  })
  return { events, ended, stop: () => stopping.abort() }
}

test('events come as they happen, a line each, to everybody who watches', async (t) => {
  const stand = await listen(t)
  const readers = [read(stand), read(stand)]
  for (const { events } of readers) await until(() => events.length === 1, 'the first line')
  stand.live.tell({ kind: 'connected', name: 'a\nb' })
  stand.live.stage({ kind: 'banned', subject: '203.0.113.7', score: 80 })
  stand.live.publish()
  for (const { events, stop, ended } of readers) {
    await until(() => events.length === 3, 'the events')
    assert.deepEqual(events[1], {
      at: 1_700_000_000_000,
      kind: 'connected',
      subject: null,
      score: null,
      until: null,
      origins: null,
      jail: null,
      name: 'a\nb',
      reason: null
    })
    assert.deepEqual([events[0]?.kind, events[2]?.kind], ['watching', 'banned'])
    stop()
    assert.deepEqual(await ended, { ok: true })
  }
})

test('what was rolled back is not told, and a flood in one transaction is counted', async (t) => {
  const stand = await listen(t)
  const { events, stop } = read(stand)
  await until(() => events.length === 1, 'the first line')
  stand.live.stage({ kind: 'banned' })
  stand.live.discard()
  for (let i = 0; i < LIVE_EVENTS + 3; i++) stand.live.stage({ kind: 'held' })
  stand.live.publish()
  await until(() => events.at(-1)?.kind === 'skipped', 'the last line')
  assert.equal(events.length, 1 + LIVE_EVENTS + 1)
  assert.equal(events.at(-1)?.reason, '3')
  assert.ok(events.every(({ kind }) => kind !== 'banned'))
  stop()
})

test('as many may watch as there is room for, and one more is refused', async (t) => {
  const stand = await listen(t)
  const readers = Array.from({ length: WATCHERS }, () => read(stand))
  for (const { events } of readers) await until(() => events.length === 1, 'the first line')
  assert.partialDeepStrictEqual(await read(stand).ended, {
    ok: false,
    status: 403,
    error: { reason: 'too-many-watchers' }
  })
  readers[0]!.stop()
  await until(async () => {
    const next = read(stand)
    const ended = await Promise.race([next.ended, until(() => next.events.length === 1, 'a place').then(() => null)])
    return ended === null
  }, 'room again')
  for (const { stop } of readers) stop()
})

test('a reader that falls behind is cut off, and the others are not', async (t) => {
  const stand = await listen(t)
  const good = read(stand)
  await until(() => good.events.length === 1, 'the first line')
  const slow = connect({ path: stand.socketPath })
  t.after(() => slow.destroy())
  slow.write('GET /v1/events HTTP/1.0\r\n\r\n')
  const closed = Promise.withResolvers<void>()
  slow.once('close', closed.resolve).on('error', () => undefined)
  await new Promise((resolve) => slow.once('readable', resolve))
  // It reads no more. The kernel takes some, then we keep some, then it is cut.
  const name = 'x'.repeat(10_000)
  let sent = 0
  while (sent * name.length < 4 * UNREAD_BYTES) {
    for (let i = 0; i < 50; i++) stand.live.tell({ kind: 'gone', name })
    sent += 50
    await until(() => good.events.length === sent + 1, 'all of it, for who reads')
  }
  slow.resume()
  await closed.promise
  good.stop()
})

test('the end of the daemon ends the stream, and without a daemon there is none', async (t) => {
  const stand = await listen(t)
  const reader = read(stand)
  await until(() => reader.events.length === 1, 'the first line')
  await stand.close()
  assert.deepEqual(await reader.ended, { ok: true })
  assert.deepEqual(await read(stand).ended, { ok: false, reason: 'unreachable', code: 'ENOENT' })
})
