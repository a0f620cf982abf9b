/** `run`: the daemon in the foreground. */
import { readConfig, type Context } from '../context.ts'
import { done, failed, type Outcome } from '../outcome.ts'

export async function runForeground(context: Context): Promise<Outcome> {
  const read = await readConfig(context)
  if (!read.ok) return read
  const { path, config, notes } = read.value
  // What is wrong but does not keep the daemon from running: said now, for the command ends much later.
  for (const note of notes) context.warn(note)
  const { runDaemon } = await import('../../daemon/run.ts')
  const failure = await runDaemon(path, config)
  return failure === null ? done({}, '') : failed(1, failure.reason, failure.message, failure.hint)
}
