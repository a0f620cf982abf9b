/** `allow add|remove|list`: the allowlist in the config, live. */
import { parseCidr } from '../../core/cidr.ts'
import { refuse } from '../../core/result.ts'
import { changeConfig, when } from '../config-change.ts'
import { configPath, type Context, type Reply } from '../context.ts'
import { done, failed, type Failed, type Outcome } from '../outcome.ts'
import { printable } from '../text.ts'

/** As written in the file; an address or CIDR that is spelled differently is the same. */
function sameEntry(a: unknown, b: string): boolean {
  if (a === b) return true
  const canonical = parseCidr(String(a))
  return canonical === null ? String(a).toLowerCase() === b.toLowerCase() : canonical === parseCidr(b)
}

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
  const { addAllowed, listAllowed } = await import('../../daemon/config-edit.ts')
  const saved = await changeConfig(
    context,
    (file) =>
      listAllowed(file).some((known) => sameEntry(known, entry.value))
        ? refuse('duplicate')
        : { ok: true, value: addAllowed(file, entry.value) },
    explain
  )
  if (!saved.ok) return saved
  const said = `${entry.value} is never banned here${when(saved)}`
  return done({ entry: entry.value, live: saved.live }, said, { notes: saved.notes })
}

export async function allowRemove(context: Context, text: string): Promise<Outcome> {
  const { listAllowed, removeAllowed } = await import('../../daemon/config-edit.ts')
  const saved = await changeConfig(
    context,
    (file) => {
      const index = listAllowed(file).findIndex((known) => sameEntry(known, text))
      return index < 0 ? refuse('absent') : { ok: true, value: removeAllowed(file, index) }
    },
    explain
  )
  if (!saved.ok) return saved
  const said = `${printable(text)} is off the allowlist${when(saved)}`
  return done({ entry: text, live: saved.live }, said, { notes: saved.notes })
}

export async function allowList(context: Context): Promise<Outcome> {
  const path = await configPath(context)
  if (!path.ok) return path
  const [{ readConfigText }, { listAllowed }] = await Promise.all([
    import('../../daemon/config.ts'),
    import('../../daemon/config-edit.ts')
  ])
  const text = readConfigText(path.value)
  if (typeof text !== 'string') return failed(2, 'bad-config', `${path.value} ${text.message}`)
  const entries = listAllowed(text).map(String)
  return done(entries, entries.length === 0 ? 'the allowlist is empty' : entries.map(printable).join('\n'))
}
