import { deepEqual, equal } from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import type { Why } from '../../src/control/api.ts'
import type { Subject } from '../../src/core/subject.ts'
import { AUDIT_LIMITS, createAudit } from '../../src/daemon/audit.ts'
import { manualSchedule } from '../fail2ban/schedule.ts'

const NOW = 1_763_668_800_000

interface Written {
  readonly ip?: string
  readonly time: string
  readonly command?: string
  readonly reason?: string
}

function stand(t: TestContext, why: () => Partial<Why> = () => ({ evidence: [], reason: 'accepted' })) {
  const dir = mkdtempSync(join(tmpdir(), 'banmesh-audit-'))
  t.after(() => rmSync(dir, { recursive: true }))
  const path = join(dir, 'audit.log')
  const time = manualSchedule()
  let now = NOW
  const audit = createAudit({
    path: () => path,
    why: () => why() as Why,
    now: () => now++,
    schedule: time.schedule,
    failed: (error) => {
      throw error
    }
  })
  const written = (): Written[] => {
    const lines = readFileSync(path, 'utf8').trim().split('\n')
    return lines.map((line) => JSON.parse(line) as Written)
  }
  return { audit, time, written }
}

function entries(count: number) {
  return Array.from({ length: count }, (_, i) => ({
    action: 'ban' as const,
    subject: `5.${i >> 16}.${(i >> 8) & 255}.${i & 255}` as Subject,
    until: NOW / 1000 + 600,
    jail: 'sshd',
    score: 800_000,
    origins: 1
  }))
}

test('What fits into one go is written at once.', (t) => {
  const { audit, time, written } = stand(t)
  audit.handedOver('nftables', entries(AUDIT_LIMITS.slice))
  equal(written().length, AUDIT_LIMITS.slice)
  equal(time.open(), 0)
})

test('The rest of a bulk hand-off follows bit by bit, in order, with the time of the hand-off.', async (t) => {
  const { audit, time, written } = stand(t)
  const many = entries(2 * AUDIT_LIMITS.slice + 1)
  audit.handedOver('nftables', many)
  equal(written().length, AUDIT_LIMITS.slice)
  // What comes later does not overtake it; only what the operator says is told at once.
  audit.handedOver('log', entries(1))
  audit.command('pause', {})
  equal(written().length, AUDIT_LIMITS.slice + 1)
  equal(await time.next(), AUDIT_LIMITS.pauseMs)
  await time.next()
  equal(time.open(), 0)
  const lines = written().filter(({ command }) => command === undefined)
  deepEqual(
    lines.map(({ ip }) => ip),
    [...many, ...entries(1)].map(({ subject }) => subject)
  )
  deepEqual([...new Set(lines.slice(0, -1).map(({ time: at }) => at))], [new Date(NOW).toISOString()])
})

test('At a stop, and beyond what may wait, lines are written without the reasons: none is lost.', (t) => {
  const { audit, time, written } = stand(t)
  audit.handedOver('nftables', entries(AUDIT_LIMITS.waiting + 1))
  // Last in is first out here: the one that did not fit.
  deepEqual(
    written().map(({ reason }) => reason),
    [undefined, ...Array.from({ length: AUDIT_LIMITS.slice }, () => 'accepted')]
  )
  audit.stop()
  equal(time.open(), 0)
  equal(written().length, AUDIT_LIMITS.waiting + 1)
  equal(written().at(-1)?.reason, undefined)
})

test('A ledger that can not be read costs the reasons, not the line.', (t) => {
  const { audit, written } = stand(t, () => {
    throw new Error('disk I/O error')
  })
  audit.handedOver('nftables', entries(1))
  deepEqual(
    written().map(({ ip, reason }) => [ip, reason]),
    [['5.0.0.0', undefined]]
  )
})
