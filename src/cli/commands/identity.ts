/**
 * What is done with the node's key: `id rotate`, `id export`, `id import` and `id network-key`. The commands work on the
 * files; a running daemon goes on under its old key until it is restarted.
 */
import { constants, existsSync, lstatSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import type { Told } from '../../control/api.ts'
import { ok, refuse, type Result } from '../../core/result.ts'
import type { Config } from '../../daemon/config.ts'
import type { IdentityRefusal } from '../../daemon/identity.ts'
import type { Folder } from '../../daemon/owner.ts'
import { ask, readConfig, type Context } from '../context.ts'
import { done, failed, type Failed, type Outcome } from '../outcome.ts'

const SECRET = 0o600
const BUNDLE_VERSION = 1

/** A new key; friends take its ID over because the old key signs it. */
export async function rotate(context: Context): Promise<Outcome> {
  const read = await readConfig(context)
  if (!read.ok) return read
  const { config } = read.value
  const { explainIdentityRefusal, identityFile } = await import('../../daemon/identity.ts')
  const { inFolder } = await import('../../daemon/owner.ts')
  const { rotationFile } = await import('../../daemon/rotation.ts')
  const change = await keyChange(config, context.now())
  const file = identityFile(config.dataDir)
  let changed: ReturnType<typeof change>
  try {
    changed = inFolder(config.dataDir, {}, change)
  } catch (error) {
    return notWritable(file, error)
  }
  if (!changed.ok && changed.reason !== 'rotating') return refused(file, changed.reason, explainIdentityRefusal)
  if (!changed.ok) {
    const hint = `run the daemon until they do, or remove ${rotationFile(config.dataDir)}`
    return failed(
      4,
      changed.reason,
      'the key was changed already, and not all friends know yet',
      `${hint}: those who don't know have to add you anew`
    )
  }
  const { old, peerId } = changed.value
  const kept = keptAs(file, old)
  const told = await ask<Told>(context, { method: 'POST', path: '/v1/rotation' })
  const { fingerprint } = await import('../../daemon/fingerprint.ts')
  const lines = [
    `new peer ID: ${peerId}`,
    `fingerprint: ${fingerprint(peerId)}`,
    `the old key is kept in ${kept}: remove it when all friends know the new ID`,
    told.ok
      ? `${told.value.told} of ${told.value.total} friends have taken it over; now restart the daemon: the others are told as it meets them`
      : 'friends are told when the daemon has started'
  ]
  const json = {
    peerId,
    old,
    kept,
    told: told.ok ? told.value.told : 0,
    fingerprint: fingerprint(peerId)
  }
  return done(json, lines.join('\n'))
}

/**
 * What is done in the folder. It may belong to another user than us, root, who could exchange its files meanwhile: the key
 * is read once, and what is made is its owner's.
 */
async function keyChange(
  config: Config,
  now: number
): Promise<(folder: Folder) => Result<{ old: string; peerId: string }, IdentityRefusal | 'rotating'>> {
  const { createIdentity, identityFile, loadKey } = await import('../../daemon/identity.ts')
  const { rotationFile, signRotation, writeRotation } = await import('../../daemon/rotation.ts')
  const { createFile } = await import('../../daemon/owner.ts')
  return ({ path }) => {
    const file = identityFile(path)
    const old = loadKey(file, constants.O_NOFOLLOW)
    if (!old.ok) return old
    const { text, owner } = old.value
    // Also if it is a link that leads nowhere.
    if (lstatSync(rotationFile(path), { throwIfNoEntry: false }) !== undefined) return refuse('rotating')
    const fresh = `${file}.new`
    rmSync(fresh, { force: true })
    const next = createIdentity(fresh, owner)
    if (!next.ok) return next
    createFile(keptAs(file, old.value.peerId), text, SECRET, owner)
    writeRotation(path, signRotation(config.network, old.value, next.value, now), owner)
    renameSync(fresh, file)
    return ok({ old: old.value.peerId, peerId: next.value.peerId })
  }
}

function keptAs(file: string, peerId: string): string {
  return `${file}.${peerId.slice(-8)}`
}

interface Bundle {
  readonly banmesh: typeof BUNDLE_VERSION
  readonly peerId: string
  readonly identity: string
  readonly config: string
  readonly networkKey: string | null
  readonly rotation: string | null
}

/** All that makes this node this node, in one file; the ledger comes back by sync. */
export async function exportIdentity(context: Context, to: string): Promise<Outcome> {
  const read = await readConfig(context)
  if (!read.ok) return read
  const { config, path } = read.value
  const { explainIdentityRefusal, identityFile, loadKey } = await import('../../daemon/identity.ts')
  const file = identityFile(config.dataDir)
  const loaded = loadKey(file)
  if (!loaded.ok) return refused(file, loaded.reason, explainIdentityRefusal)
  const { loadNetworkKey } = await import('../../daemon/network-key.ts')
  const { readRotation } = await import('../../daemon/rotation.ts')
  const rotation = readRotation(config.network, config.dataDir)
  const target = resolve(context.cwd, to)
  const shared = loadNetworkKey(config.networkKey)
  if (!shared.ok)
    return failed(2, shared.reason, `the network key ${config.networkKey} can't be used (${shared.reason})`)
  try {
    // Only what was found to be a key and the like: the import, as root, gives it to the user of that daemon.
    const bundle: Bundle = {
      banmesh: BUNDLE_VERSION,
      peerId: loaded.value.peerId,
      identity: loaded.value.text,
      config: readFileSync(path, 'utf8'),
      networkKey: shared.value === null ? null : `${Buffer.from(shared.value).toString()}\n`,
      rotation: rotation === null ? null : Buffer.from(rotation).toString('base64')
    }
    writeFileSync(target, `${JSON.stringify(bundle)}\n`, { flag: 'wx', mode: SECRET })
  } catch (error) {
    return notWritable(target, error)
  }
  const lines = [
    `wrote ${target} (keep it secret: it is this node; remove it after the move)`,
    "stop the daemon here before it starts there: two nodes with one key get in each other's way",
    `there: banmesh id import ${to}`
  ]
  return done({ file: target, peerId: loaded.value.peerId }, lines.join('\n'))
}

export async function importIdentity(
  context: Context,
  from: string,
  { dir = '.' }: { dir?: string }
): Promise<Outcome> {
  const source = resolve(context.cwd, from)
  const bundle = readBundle(source)
  if (bundle === null) return failed(2, 'not-an-export', `${source} is not what banmesh id export writes`)
  const folder = resolve(context.cwd, dir)
  const config = join(folder, 'banmesh.yaml')
  const { parseConfig } = await import('../../daemon/config.ts')
  const read = parseConfig(bundle.config, { folder })
  if (!read.ok) return failed(2, 'bad-config', `the config in ${source} is not one that this banmesh understands`)
  const parsed = read.config
  const { identityFile, parseIdentity } = await import('../../daemon/identity.ts')
  const { isNetworkKey } = await import('../../daemon/network-key.ts')
  const { rotationFile } = await import('../../daemon/rotation.ts')
  const { createFile, inFolder } = await import('../../daemon/owner.ts')
  const identity = parseIdentity(bundle.identity)
  if (!identity.ok || identity.value.peerId !== bundle.peerId)
    return failed(2, 'not-an-export', `the key in ${source} is not that of ${bundle.peerId}`)
  // The config, which may be another machine's daemon's, says where this goes.
  if (bundle.networkKey !== null && !isNetworkKey(bundle.networkKey))
    return failed(2, 'not-an-export', `the network key in ${source} is none`)
  const key = identityFile(parsed.dataDir)
  const files: [string, string | Buffer | null, number][] = [
    [key, bundle.identity, SECRET],
    [rotationFile(parsed.dataDir), bundle.rotation === null ? null : Buffer.from(bundle.rotation, 'base64'), SECRET],
    [config, bundle.config, 0o640],
    [parsed.networkKey ?? '', parsed.networkKey === null ? null : bundle.networkKey, SECRET]
  ]
  const wanted = files.filter(([, content]) => content !== null)
  for (const [file] of wanted) {
    if (existsSync(file)) return failed(1, 'exists', `${file} exists already and is not overwritten`)
  }
  try {
    for (const [file, content, mode] of wanted) {
      const make = file !== parsed.networkKey
      inFolder(dirname(file), { make }, ({ path, owner }) =>
        createFile(join(path, basename(file)), content!, mode, owner)
      )
    }
  } catch (error) {
    return notWritable(folder, error)
  }
  const lines = [...wanted.map(([file]) => `wrote ${file}`), `peer ID: ${bundle.peerId}`]
  return done({ peerId: bundle.peerId, config, identity: key }, lines.join('\n'))
}

export async function networkKey(context: Context, to: string): Promise<Outcome> {
  const { createNetworkKey } = await import('../../daemon/network-key.ts')
  const file = resolve(context.cwd, to)
  const created = createNetworkKey(file)
  if (!created.ok) {
    const message = created.reason === 'exists' ? 'exists already and is not overwritten' : "can't be written"
    return failed(1, created.reason, `${file} ${message}`)
  }
  const lines = [
    `wrote ${file}: give it to all nodes of the network, by a way that nobody else sees`,
    `then in each config: networkKey: ${to}`
  ]
  return done({ file }, lines.join('\n'))
}

function readBundle(file: string): Bundle | null {
  try {
    const bundle = JSON.parse(readFileSync(file, 'utf8')) as Record<keyof Bundle, unknown>
    const texts = [bundle.peerId, bundle.identity, bundle.config].every((value) => typeof value === 'string')
    const options = [bundle.networkKey, bundle.rotation].every((value) => value === null || typeof value === 'string')
    return texts && options && bundle.banmesh === BUNDLE_VERSION ? (bundle as Bundle) : null
  } catch {
    return null
  }
}

function refused(
  file: string,
  reason: IdentityRefusal,
  explain: (file: string, reason: IdentityRefusal) => { message: string; hint: string }
): Failed {
  const { message, hint } = explain(file, reason)
  return failed(2, reason, message, hint)
}

function notWritable(path: string, error: unknown): Failed {
  const { code } = error as NodeJS.ErrnoException
  if (code === 'EEXIST') return failed(1, 'exists', `${path} exists already and is not overwritten`)
  return failed(1, 'not-writable', `${path} can't be written (${code ?? 'unknown error'})`)
}
