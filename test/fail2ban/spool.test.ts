import { deepEqual, equal } from 'node:assert/strict'
import { chownSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import type { HookEvent } from '../../src/fail2ban/hook-event.ts'
import { appendToSpool, readSpool, removeFromSpool, SPOOL_LIMITS } from '../../src/fail2ban/spool.ts'
import { requires } from '../support/requirements.ts'

const NOW = 1763668800000

function folder(t: TestContext): string {
  const parent = mkdtempSync(join(tmpdir(), 'banmesh-spool-'))
  t.after(() => rmSync(parent, { recursive: true, force: true }))
  return join(parent, 'spool')
}

function event(jail: string): HookEvent {
  return { event: 'start', jail }
}

function jails(dir: string, limit = 1000): string[] {
  const read = readSpool(dir, limit, NOW)
  return read.ok ? read.value.events.map((spooled) => spooled.event.jail) : [read.reason]
}

test('Events come back in the order in which they came, with the time at which they were seen.', (t) => {
  const dir = folder(t)
  const ban: HookEvent = { event: 'ban', jail: 'a', ip: '203.0.113.7', time: 1763668800, banTime: 600, failures: 3 }
  equal(appendToSpool(dir, ban, NOW, 99).ok, true)
  // The same millisecond with a lower process id, and then a clock that was set back.
  equal(appendToSpool(dir, event('b'), NOW, 7).ok, true)
  equal(appendToSpool(dir, event('c'), NOW - 60_000, 8).ok, true)
  deepEqual(jails(dir), ['a', 'b', 'c'])
  const read = readSpool(dir, 1, NOW)
  deepEqual(read.ok && read.value.events.map(({ at, event: first }) => [at, first]), [[NOW, ban]])
  const third = readSpool(dir, 3, NOW)
  equal(third.ok && third.value.events[2]?.at, NOW - 60_000)
})

test('What was removed is gone, and removing it again is fine.', (t) => {
  const dir = folder(t)
  const names = ['a', 'b']
    .map((jail) => appendToSpool(dir, event(jail), NOW, 1))
    .map((name) => (name.ok ? name.value : ''))
  deepEqual(removeFromSpool(dir, [names[0]!]), { ok: true, value: undefined })
  deepEqual(removeFromSpool(dir, [names[0]!]), { ok: true, value: undefined })
  deepEqual(jails(dir), ['b'])
})

test('A spool that is not there is empty, and its folder is made, but not the one above.', (t) => {
  const dir = folder(t)
  deepEqual(readSpool(dir, 10, NOW), { ok: true, value: { events: [], junk: [] } })
  deepEqual(appendToSpool(join(dir, 'below'), event('a'), NOW, 1), { ok: false, reason: 'spool-unusable' })
  equal(appendToSpool(dir, event('a'), NOW, 1).ok, true)
  equal(statSync(dir).mode & 0o777, 0o700)
  equal(statSync(join(dir, readdirSync(dir)[0]!)).mode & 0o777, 0o600)
})

test('The spool takes its number of files and not one more.', (t) => {
  const dir = folder(t)
  mkdirSync(dir)
  for (let i = 1; i < SPOOL_LIMITS.files; i++) writeFileSync(join(dir, String(i)), '')
  equal(appendToSpool(dir, event('last'), NOW, 1).ok, true)
  deepEqual(appendToSpool(dir, event('more'), NOW, 1), { ok: false, reason: 'spool-full' })
})

test('What is no event is named as junk: foreign names, other content, links, long files, folders.', (t) => {
  const dir = folder(t)
  equal(appendToSpool(dir, event('good'), NOW, 1).ok, true)
  const good = readdirSync(dir)
  const name = (n: number): string => `${String(NOW + n).padStart(15, '0')}-0000000001.json`
  const text = JSON.stringify({ at: NOW, event: event('x') })
  const fill = (length: number): string => text + ' '.repeat(length - text.length)
  writeFileSync(join(dir, name(1)), fill(SPOOL_LIMITS.fileBytes))
  writeFileSync(join(dir, name(2)), fill(SPOOL_LIMITS.fileBytes + 1))
  writeFileSync(join(dir, name(3)), '{')
  writeFileSync(join(dir, name(4)), JSON.stringify({ at: 'now', event: event('x') }))
  writeFileSync(join(dir, name(5)), JSON.stringify({ at: NOW, event: { event: 'ban', jail: 'x' } }))
  writeFileSync(join(dir, name(6)), JSON.stringify({ at: NOW, event: event('x'), more: 1 }))
  symlinkSync(join(dir, good[0]!), join(dir, name(7)))
  mkdirSync(join(dir, name(8)))
  writeFileSync(join(dir, 'foreign'), text)
  const read = readSpool(dir, 1000, NOW)
  deepEqual(read.ok && read.value.events.map((spooled) => spooled.name), [...good, name(1)])
  deepEqual(read.ok && read.value.junk, [2, 3, 4, 5, 6, 7, 8].map(name).concat('foreign'))
})

test('A file that is being written is left alone, and is junk when nobody finished it.', (t) => {
  const dir = folder(t)
  mkdirSync(dir)
  const unfinished = `.${String(NOW).padStart(15, '0')}-0000000001`
  writeFileSync(join(dir, unfinished), '{')
  const junkAt = (now: number) => {
    const read = readSpool(dir, 10, now)
    return read.ok && read.value.junk
  }
  deepEqual(junkAt(NOW + SPOOL_LIMITS.unfinishedMs), [])
  deepEqual(junkAt(NOW + SPOOL_LIMITS.unfinishedMs + 1), [unfinished])
})

test('A link in place of the folder is not followed.', (t) => {
  const dir = folder(t)
  const elsewhere = `${dir}-elsewhere`
  mkdirSync(elsewhere)
  symlinkSync(elsewhere, dir)
  deepEqual(appendToSpool(dir, event('a'), NOW, 1), { ok: false, reason: 'spool-unusable' })
  deepEqual(readSpool(dir, 10, NOW), { ok: false, reason: 'spool-unusable' })
  deepEqual(readdirSync(elsewhere), [])
})

test('What root leaves belongs to the owner of the folder.', { skip: requires({ root: true }) }, (t) => {
  const dir = folder(t)
  chownSync(join(dir, '..'), 12345, 12346)
  equal(appendToSpool(dir, event('a'), NOW, 1).ok, true)
  for (const path of [dir, join(dir, readdirSync(dir)[0]!)]) {
    const { uid, gid } = statSync(path)
    deepEqual([uid, gid], [12345, 12346], path)
  }
})
