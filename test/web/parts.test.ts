/** The small parts: the feed, the memory of the chart, the token, the guard, the tree of paths. */
import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { createFeed, FEED_EVENTS } from '../../src/web/feed.ts'
import { createHistory, HISTORY_POINTS } from '../../src/web/history.ts'
import { DRAWN_PATHS, pathTree } from '../../src/web/page/path-tree.ts'
import { carriesToken, loadToken } from '../../src/web/token.ts'

const EVENT = {
  kind: 'banned',
  subject: '192.0.2.1',
  score: 80,
  until: 1,
  origins: 1,
  jail: 'sshd',
  name: null
} as const

test('the feed shows what was committed, in order, and forgets what was rolled back', () => {
  const feed = createFeed(() => 1000)
  let told = 0
  const stop = feed.subscribe(() => told++)
  feed.stage(EVENT)
  feed.discard()
  feed.publish()
  assert.deepEqual([told, feed.after(0)], [0, []])
  feed.stage(EVENT)
  feed.stage({ ...EVENT, subject: '192.0.2.2' })
  assert.deepEqual(feed.after(0), [])
  feed.publish()
  assert.deepEqual(
    feed.after(0).map(({ subject }) => subject),
    ['192.0.2.1', '192.0.2.2']
  )
  stop()
  feed.stage(EVENT)
  feed.publish()
  assert.equal(told, 1)
  assert.equal(feed.after(feed.after(0)[1]!.id).length, 1)
})

test('the feed remembers so many events, and no more, however they come', () => {
  const feed = createFeed(() => 0)
  for (let i = 0; i < FEED_EVENTS; i++) feed.stage(EVENT)
  feed.publish()
  assert.equal(feed.after(0).length, FEED_EVENTS)
  const first = feed.after(0)[0]!.id
  feed.stage(EVENT)
  feed.publish()
  assert.equal(feed.after(0).length, FEED_EVENTS)
  assert.equal(feed.after(0)[0]!.id, first + 1)
  for (let i = 0; i < 5 * FEED_EVENTS; i++) feed.stage({ ...EVENT, subject: `${i}` })
  feed.publish()
  assert.equal(feed.after(0).length, FEED_EVENTS)
  assert.equal(feed.after(0).at(-1)!.subject, `${5 * FEED_EVENTS - 1}`)
})

test('after a restart events have higher numbers than before', () => {
  const before = createFeed(() => 1_700_000_000_000)
  const after = createFeed(() => 1_700_000_060_000)
  for (const feed of [before, after]) {
    feed.stage(EVENT)
    feed.publish()
  }
  assert.equal(after.after(before.after(0)[0]!.id).length, 1)
})

test('the chart remembers a day and no more', () => {
  const history = createHistory()
  for (let at = 0; at <= HISTORY_POINTS; at++) history.add({ at, accepted: 0, held: 0 })
  assert.deepEqual([history.points().length, history.points()[0]!.at], [HISTORY_POINTS, 1])
})

test('the token is made once, for the daemon alone, and made anew if others could know it', (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'banmesh-token-'))
  t.after(() => rmSync(dir, { recursive: true, force: true }))
  const path = join(dir, 'web.token')
  const load = (): string => {
    const token = loadToken(path)
    assert(token.ok)
    assert.equal(statSync(path).mode & 0o777, 0o600)
    return token.value
  }
  const first = load()
  assert.match(first, /^[A-Za-z0-9_-]{43}$/)
  assert.equal(readFileSync(path, 'utf8'), `${first}\n`)
  assert.equal(load(), first)
  chmodSync(path, 0o644)
  const second = load()
  assert.notEqual(second, first)
  for (const junk of ['', 'short', `${second}${second}`]) {
    writeFileSync(path, junk)
    assert.match(load(), /^[A-Za-z0-9_-]{43}$/)
  }
  const elsewhere = join(dir, 'elsewhere')
  writeFileSync(elsewhere, `${second}\n`, { mode: 0o600 })
  rmSync(path)
  symlinkSync(elsewhere, path)
  assert.notEqual(load(), second)
  assert.deepEqual(loadToken(join(dir, 'nowhere/web.token')), { ok: false, reason: 'not-writable' })
})

test('only the whole header is the token', () => {
  assert.equal(carriesToken('Bearer abc', 'abc'), true)
  for (const header of [undefined, '', 'abc', 'Bearer', 'Bearer ab', 'Bearer abcd', 'Bearer  abc', 'bearer abc']) {
    assert.equal(carriesToken(header, 'abc'), false, header)
  }
})

const path = (...steps: [string, number][]) => steps.map(([peer, trust]) => ({ peer, name: null, trust }))

test('paths that begin alike share their nodes, and trust is multiplied along them', () => {
  const tree = pathTree('me', [
    { origin: 'alice', jail: 'sshd', until: 9, confidence: 64, path: path(['bob', 80], ['alice', 80]) },
    { origin: 'dave', jail: 'nginx', until: 8, confidence: 40, path: path(['bob', 80], ['dave', 50]) },
    { origin: 'bob', jail: 'sshd', until: 7, confidence: 80, path: path(['bob', 80]) },
    { origin: 'me', jail: 'manual', until: 6, confidence: 100, path: [] }
  ])
  assert.deepEqual(
    tree.nodes.map(({ peer, depth, row, trust, product, claims }) => [
      peer,
      depth,
      row,
      trust,
      product,
      claims.map(({ jail }) => jail).join()
    ]),
    [
      ['me', 0, 0.5, 100, 100, 'manual'],
      ['bob', 1, 0.5, 80, 80, 'sshd'],
      ['alice', 2, 0, 80, 64, 'sshd'],
      ['dave', 2, 1, 50, 40, 'nginx']
    ]
  )
  assert.deepEqual([tree.rows, tree.depth, tree.hidden], [2, 2, 0])
})

test('of many paths the most trusted are drawn, and the rest is counted', () => {
  const many = Array.from({ length: DRAWN_PATHS + 1 }, (_, i) => ({
    origin: `o${i}`,
    jail: 'sshd',
    until: 1,
    confidence: i,
    path: path([`o${i}`, i])
  }))
  assert.equal(pathTree('me', many.slice(1)).hidden, 0)
  const tree = pathTree('me', many)
  assert.deepEqual([tree.hidden, tree.rows], [1, DRAWN_PATHS])
  assert.ok(!tree.nodes.some(({ peer }) => peer === 'o0'))
  assert.deepEqual(pathTree('me', []).rows, 1)
})
