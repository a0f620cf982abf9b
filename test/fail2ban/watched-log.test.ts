import { deepEqual, equal } from 'node:assert/strict'
import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { run } from './server.ts'
import { requires } from '../support/requirements.ts'
import { createWatchedLog, type LogEntry, type WatchedLog } from '../../src/fail2ban/watched-log.ts'

const NOW = Date.parse('2026-11-20T18:00:00.000Z')

function entry(ip: string, over: Partial<LogEntry> = {}): LogEntry {
  return { event: 'ban', ip, jail: 'sshd', until: 1763668800, score: 800_000, origins: 1, ...over }
}

function open(t: TestContext, path?: string): { path: string; log: WatchedLog } {
  const dir = mkdtempSync(join(tmpdir(), 'banmesh-log-'))
  const where = path ?? join(dir, 'deep/bans.log')
  const log = createWatchedLog({ path: where, now: () => NOW })
  t.after(() => {
    log.close()
    rmSync(dir, { recursive: true, force: true })
  })
  return { path: where, log }
}

function ips(path: string): string[] {
  return readFileSync(path, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => /"ip":"(.*?)"/.exec(line)?.[1] ?? line)
}

const FINE = { ok: true, value: { renewed: false } }
const RENEWED = { ok: true, value: { renewed: true } }

test('A line has exactly the form of the contract.', (t) => {
  const { path, log } = open(t)
  deepEqual(
    log.write([entry('203.0.113.7'), entry('2001:db8::/48', { event: 'unban', score: 999_999, origins: 12 })]),
    FINE
  )
  equal(
    readFileSync(path, 'utf8'),
    '{"time":"2026-11-20T18:00:00.000Z","event":"ban","ip":"203.0.113.7","jail":"sshd","until":1763668800,"score":80,"origins":1}\n' +
      '{"time":"2026-11-20T18:00:00.000Z","event":"unban","ip":"2001:db8::/48","jail":"sshd","until":1763668800,"score":99,"origins":12}\n'
  )
  equal(statSync(path).mode & 0o777, 0o640)
})

test('Nothing to write makes the file, for fail2ban wants to see it.', (t) => {
  const { path, log } = open(t)
  deepEqual(log.write([]), FINE)
  equal(readFileSync(path, 'utf8'), '')
})

test('What was in the file stays, and a line that a crash has torn is ended.', (t) => {
  const { path } = open(t)
  mkdirSync(join(path, '..'))
  writeFileSync(path, '{"time":"2026-11-20T17')
  const log = createWatchedLog({ path, now: () => NOW })
  log.write([entry('203.0.113.1')])
  log.write([entry('203.0.113.2')])
  log.close()
  deepEqual(ips(path), ['{"time":"2026-11-20T17', '203.0.113.1', '203.0.113.2'])
})

test('A file that was renamed, deleted with its folder, or cut short is noticed at the next call.', (t) => {
  const { path, log } = open(t)
  log.write([entry('203.0.113.1')])
  renameSync(path, `${path}.1`)
  deepEqual(log.write([entry('203.0.113.2')]), RENEWED)
  deepEqual([ips(`${path}.1`), ips(path)], [['203.0.113.1'], ['203.0.113.2']])
  rmSync(join(path, '..'), { recursive: true })
  deepEqual(log.write([]), RENEWED)
  deepEqual(log.write([entry('203.0.113.3')]), FINE)
  deepEqual(ips(path), ['203.0.113.3'])
  copyFileSync(path, `${path}.1`)
  truncateSync(path)
  deepEqual(log.write([entry('203.0.113.4')]), RENEWED)
  deepEqual(ips(path), ['203.0.113.4'])
  deepEqual(log.write([]), FINE)
})

test('A file that another one replaced by renaming is taken, and written to at its end.', (t) => {
  const { path, log } = open(t)
  log.write([entry('203.0.113.1')])
  writeFileSync(`${path}.new`, 'created by logrotate\n')
  renameSync(`${path}.new`, path)
  deepEqual(log.write([entry('203.0.113.2')]), RENEWED)
  appendFileSync(path, 'a note\n')
  deepEqual(log.write([entry('203.0.113.3')]), FINE)
  deepEqual(ips(path), ['created by logrotate', '203.0.113.2', 'a note', '203.0.113.3'])
})

test('Reopening and closing are fine at any time, and writing goes on after them.', (t) => {
  const { path, log } = open(t)
  log.reopen()
  log.write([entry('203.0.113.1')])
  log.reopen()
  log.reopen()
  log.write([entry('203.0.113.2')])
  log.close()
  log.close()
  log.write([entry('203.0.113.3')])
  deepEqual(ips(path), ['203.0.113.1', '203.0.113.2', '203.0.113.3'])
})

test('What can not be written is refused with its reason, and is not written later by itself.', (t) => {
  deepEqual(open(t, '/dev/full').log.write([entry('203.0.113.1')]), { ok: false, reason: 'disk-full' })
  deepEqual(open(t, '/dev/null/bans.log').log.write([entry('203.0.113.1')]), { ok: false, reason: 'not-writable' })
  const { path, log } = open(t)
  mkdirSync(path, { recursive: true })
  deepEqual(log.write([entry('203.0.113.1')]), { ok: false, reason: 'not-writable' })
  rmSync(path, { recursive: true })
  equal(log.write([entry('203.0.113.2')]).ok, true)
  deepEqual(ips(path), ['203.0.113.2'])
})

test(
  'A full disk loses nothing: the batch is refused, and whole lines follow when there is room.',
  {
    skip: requires({ root: true, commands: ['mount', 'umount'] })
  },
  async (t) => {
    const disk = mkdtempSync(join(tmpdir(), 'banmesh-disk-'))
    const mounted = await run('mount', ['-t', 'tmpfs', '-o', 'size=16k', 'tmpfs', disk])
    equal(mounted.code, 0, mounted.stderr)
    t.after(async () => {
      await run('umount', [disk])
      rmSync(disk, { recursive: true })
    })
    const { path, log } = open(t, join(disk, 'bans.log'))
    const batch = Array.from({ length: 200 }, (_, i) => entry(`203.0.113.${i + 1}`))
    writeFileSync(join(disk, 'other'), Buffer.alloc(6000))
    deepEqual(log.write(batch), { ok: false, reason: 'disk-full' })
    equal(readFileSync(path, 'utf8').endsWith('\n'), false)
    rmSync(join(disk, 'other'))
    truncateSync(path, 1000)
    equal(log.write(batch.slice(0, 10)).ok, true)
    log.close()
    const lines = readFileSync(path, 'utf8').split('\n')
    equal(lines.pop(), '')
    deepEqual(
      lines.slice(-10).map((line) => JSON.parse(line).ip),
      batch.slice(0, 10).map(({ ip }) => ip)
    )
  }
)
