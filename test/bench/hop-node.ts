/** A child process with a whole daemon, which says when it had its verdicts: nobody else has to look at it meanwhile. */
import assert from 'node:assert/strict'
import { loadConfig } from '../../src/daemon/config.ts'
import { startDaemon } from '../../src/daemon/daemon.ts'
import { identityFile, loadIdentity } from '../../src/daemon/identity.ts'
import { collectEarlier } from '../../src/daemon/leisure.ts'
import { createLogger } from '../../src/daemon/logging.ts'
import { monotonicMs } from './figures.ts'
import { serve } from './processes.ts'

const verdicts = new Map<string, PromiseWithResolvers<number>>()

serve({
  /** As `banmesh run`. */
  async run(configFile: string): Promise<null> {
    const loaded = loadConfig(configFile)
    assert(loaded.ok)
    const identity = loadIdentity(identityFile(loaded.config.dataDir))
    assert(identity.ok)
    collectEarlier()
    const started = await startDaemon({
      config: loaded.config,
      source: { file: configFile },
      identity: identity.value,
      logger: createLogger('error'),
      now: Date.now,
      random: Math.random
    })
    assert(started.ok)
    started.value.subscribe((events) => {
      const at = monotonicMs()
      for (const { kind, subject } of events) if (kind === 'banned') verdictOn(subject!).resolve(at)
    })
    return null
  },
  banned: (subject: string): Promise<number> => verdictOn(subject).promise
})

function verdictOn(subject: string): PromiseWithResolvers<number> {
  let verdict = verdicts.get(subject)
  if (verdict === undefined) verdicts.set(subject, (verdict = Promise.withResolvers()))
  return verdict
}
