/** `banmesh run`: the daemon in the foreground, from its files to its signals. The one place that takes clock and chance. */
import { join } from 'node:path'
import type { Config } from './config.ts'
import { startDaemon, type Daemon, type StartRefusal } from './daemon.ts'
import { explainIdentityRefusal, loadIdentity } from './identity.ts'
import { collectEarlier } from './leisure.ts'
import { createLogger } from './logging.ts'

/** Why the daemon could not start, for the operator. */
export interface RunFailure {
  readonly reason: string
  readonly message: string
  readonly hint?: string
}

/** Runs until SIGTERM or SIGINT; null after a clean stop. */
export async function runDaemon(configFile: string, config: Config): Promise<RunFailure | null> {
  const keyFile = join(config.dataDir, 'identity.key')
  const identity = loadIdentity(keyFile)
  if (!identity.ok) return { reason: identity.reason, ...explainIdentityRefusal(keyFile, identity.reason) }
  // What is ours to know is nobody else's to read: the ledger says who bans whom. The group may; the files that others
  // need (the watched log, the socket) have modes of their own.
  process.umask(process.umask() | 0o027)
  collectEarlier()
  const logger = createLogger(config.log.level)
  // A promise that nobody waits for, deep in the network's code perhaps, is no reason to leave a server unguarded.
  process.on('unhandledRejection', (error) => logger.error({ error }, 'unhandled rejection: please report this'))
  const ended = Promise.withResolvers<void>()
  let daemon: Daemon | null = null
  let reloadLater = false
  // Before the start, for a signal that nobody waits for would end the process in the middle of it.
  process.once('SIGTERM', ended.resolve).once('SIGINT', ended.resolve)
  process.on('SIGHUP', () => {
    reloadLater = daemon === null
    void daemon?.reload()
  })
  process.on('SIGUSR2', () => daemon?.reopenLogs())
  const started = await startDaemon({
    config,
    source: { file: configFile },
    identity: identity.value,
    logger,
    now: Date.now,
    random: Math.random
  })
  if (!started.ok) return { reason: started.reason, ...explainStartRefusal(started.reason, config) }
  daemon = started.value
  if (reloadLater) void daemon.reload()
  await ended.promise
  logger.info('stopping')
  await daemon.stop()
  return null
}

function explainStartRefusal(reason: StartRefusal, config: Config): { message: string; hint?: string } {
  const ledger = join(config.dataDir, 'ledger.db')
  switch (reason) {
    case 'network-key':
      return {
        message: `${config.networkKey} is not the key of a private network that only its owner may read`,
        hint: 'banmesh id network-key FILE makes one; chmod 600 it, and give it to all nodes of the network'
      }
    case 'data-dir':
      return {
        message: `the folders ${config.dataDir} and that of ${config.control} can't be made`,
        hint: 'make them, or name others with dataDir: and control:'
      }
    case 'newer-version':
      return { message: `${ledger} is of a newer banmesh`, hint: 'update banmesh, or move the file away to begin anew' }
    case 'not-a-ledger':
    case 'corrupt':
      return {
        message: `${ledger} is damaged, or not a ledger`,
        hint: 'move it away and start again: friends give back what was theirs, fail2ban keeps its bans'
      }
    case 'not-writable':
      return {
        message: `${ledger} can't be written`,
        hint: 'look at the free space, the owner and the mode of its folder'
      }
    case 'already-running':
      return { message: `another daemon answers on ${config.control}`, hint: 'banmesh status shows it' }
    case 'control-socket':
      return {
        message: `the control socket ${config.control} can't be made`,
        hint: 'look at the owner and mode of its folder'
      }
    case 'cannot-listen':
      return { message: `can't listen on ${config.listen.join(', ')}`, hint: 'is the port taken? listen: names others' }
  }
}
