/** Where the audit log is: `log.audit`, by default beside the watched log. */
import { dirname, join } from 'node:path'
import type { Config } from './config.ts'

/** Null: turned off. */
export function auditPath({ log, handoff, dataDir }: Config): string | null {
  if (log.audit === false) return null
  return log.audit ?? join(handoff.log === null ? dataDir : dirname(handoff.log.path), 'audit.log')
}
