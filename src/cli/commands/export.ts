/** `export`: the accepted subjects for other firewalls. */
import type { VerdictView } from '../../control/api.ts'
import { ask, type Context } from '../context.ts'
import { EXPORTS, type ExportFormat } from '../export-formats.ts'
import { done, type Outcome } from '../outcome.ts'

/** Null as the format is the default: `plain`, and JSON with `--json`. */
export async function exportSubjects(context: Context, format: ExportFormat | 'json' | null): Promise<Outcome> {
  const verdicts = await ask<VerdictView[]>(context, { method: 'GET', path: '/v1/verdicts?all=false' })
  if (!verdicts.ok) return verdicts
  const accepted = verdicts.value.filter((verdict) => verdict.accepted)
  if (format === 'json') return done(accepted, JSON.stringify(accepted, null, 2))
  return done(accepted, EXPORTS[format ?? 'plain'](accepted, context.now()))
}
