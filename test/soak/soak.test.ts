import assert from 'node:assert/strict'
import { test } from 'node:test'
import { requires } from '../support/requirements.ts'
import { soak } from './soak.ts'

/** Sockets of connections that are just being replaced. */
const FDS_SLACK = 4

test('ten nodes agree with the model after a minute of bans, lifts, kills, frozen nodes and stepping clocks', async (t) => {
  const clocks = requires({ commands: ['faketime'] }) === false
  const report = await soak({ minutes: 1, seed: 1, clocks, say: (line) => t.diagnostic(line) })
  t.diagnostic(JSON.stringify(report))
  for (const [i, before] of report.fdsBefore.entries()) {
    assert.ok(report.fdsAfter[i]! <= before + FDS_SLACK, `file descriptors: ${report.fdsAfter[i]} after ${before}`)
  }
})
