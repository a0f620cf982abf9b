/** `run`: the daemon in the foreground. */
import { configFailure, configPath, configWarnings, type Context } from '../context.ts'
import { done, failed, type Outcome } from '../outcome.ts'

export async function runForeground(context: Context): Promise<Outcome> {
  const path = await configPath(context)
  if (!path.ok) return path
  const [{ loadConfig }, identities] = await Promise.all([
    import('../../daemon/config.ts'),
    import('../../daemon/identity.ts')
  ])
  const first = loadConfig(path.value)
  if (!first.ok) return configFailure(path.value, first.errors)
  const keyFile = identities.identityFile(first.config.dataDir)
  const identity = identities.loadIdentity(keyFile)
  if (!identity.ok) {
    const { message, hint } = identities.explainIdentityRefusal(keyFile, identity.reason)
    return failed(2, identity.reason, message, hint)
  }
  // Again, now that it is known who we are: nobody is a friend of their own.
  const loaded = loadConfig(path.value, identity.value.peerId)
  if (!loaded.ok) return configFailure(path.value, loaded.errors)
  // Said now, for the command ends much later.
  for (const note of await configWarnings(path.value, loaded.warnings)) context.warn(note)
  const { runDaemon } = await import('../../daemon/run.ts')
  const failure = await runDaemon(path.value, loaded.config)
  return failure === null ? done({}, '') : failed(1, failure.reason, failure.message, failure.hint)
}
