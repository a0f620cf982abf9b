/** Half a minute of it; `npm run soak` takes fifteen. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { requires } from '../support/requirements.ts'
import { soak } from './soak.ts'

/** Open for a moment: a request, a connection that is made anew. */
const PASSING_FDS = 6

const skip = requires({ root: true, commands: ['ip', 'nft', 'faketime'] })
test(
  'ten nodes agree with the model after kills, restarts, frozen nodes, partitions and clock steps',
  { skip },
  async (t) => {
    const say = (line: string): void => t.diagnostic(line)
    const report = await soak({
      minutes: 0.5,
      seed: 1,
      clocks: true,
      namespaces: true,
      longestPartitionSeconds: 10,
      say
    })
    t.diagnostic(JSON.stringify(report))
    report.fdsAfter.forEach((after, i) => assert.ok(after <= report.fdsBefore[i]! + PASSING_FDS))
  }
)
