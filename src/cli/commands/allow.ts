/** `allow add|remove|list`: the allowlist in the config, live. */
import { changeConfig, when } from '../config-change.ts'
import { readConfig, type Context, type Reply } from '../context.ts'
import { done, failed, type Failed, type Outcome } from '../outcome.ts'
import { printable } from '../text.ts'

async function readEntry(text: string): Promise<Reply<string>> {
  const { parseAllowed } = await import('../../daemon/config-values.ts')
  const parsed = parseAllowed(text)
  if ('wrong' in parsed) return failed(2, 'bad-entry', `an entry of the allowlist ${parsed.wrong}`)
  return { ok: true, value: 'cidr' in parsed.value ? parsed.value.cidr : parsed.value.host }
}

function explain(reason: 'duplicate' | 'absent'): Failed {
  return reason === 'duplicate'
    ? failed(4, reason, 'it is on the allowlist already')
    : failed(1, reason, 'it is not on the allowlist', 'banmesh allow list shows what is')
}

export async function allowAdd(context: Context, text: string): Promise<Outcome> {
  const entry = await readEntry(text)
  if (!entry.ok) return entry
  const { allowEdit } = await import('../../daemon/config-changes.ts')
  const saved = await changeConfig(context, allowEdit(entry.value), explain)
  if (!saved.ok) return saved
  const said = `${entry.value} is never banned here${when(saved)}`
  return done({ entry: entry.value, live: saved.live }, said, { notes: saved.notes })
}

export async function allowRemove(context: Context, text: string): Promise<Outcome> {
  const { disallowEdit } = await import('../../daemon/config-changes.ts')
  const saved = await changeConfig(context, disallowEdit(text), explain)
  if (!saved.ok) return saved
  const said = `${printable(text)} is off the allowlist${when(saved)}`
  return done({ entry: text, live: saved.live }, said, { notes: saved.notes })
}

export async function allowList(context: Context): Promise<Outcome> {
  const whole = await readConfig(context)
  if (!whole.ok) return whole
  const [{ readConfigText }, { listAllowed }] = await Promise.all([
    import('../../daemon/config.ts'),
    import('../../daemon/config-edit.ts')
  ])
  const text = readConfigText(whole.value.path)
  if (typeof text !== 'string') return failed(2, 'bad-config', `${whole.value.path} ${text.message}`)
  const entries = listAllowed(text).map(String)
  return done(entries, entries.length === 0 ? 'the allowlist is empty' : entries.map(printable).join('\n'))
}
