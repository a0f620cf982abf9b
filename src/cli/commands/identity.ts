/**
 * What is done with the node's key: `id rotate`, `id export`, `id import` and `id network-key`. The commands work on the
 * files; a running daemon goes on under its old key until it is restarted.
 */
import { copyFileSync, existsSync, readFileSync, renameSync, unlinkSync, writeFileSync, constants } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import type { Told } from '../../control/api.ts'
import type { Config } from '../../daemon/config.ts'
import type { Identity, IdentityRefusal } from '../../daemon/identity.ts'
import { ask, readConfig, type Context, type Reply } from '../context.ts'
import { done, failed, type Failed, type Outcome } from '../outcome.ts'

const SECRET = 0o600
const BUNDLE_VERSION = 1

/** A new key; friends take its ID over because the old key signs it. */
export async function rotate(context: Context): Promise<Outcome> {
  const read = await readConfig(context)
  if (!read.ok) return read
  const { config } = read.value
  const identities = await import('../../daemon/identity.ts')
  const file = identities.identityFile(config.dataDir)
  const old = identities.loadIdentity(file)
  if (!old.ok) return refused(file, old.reason, identities.explainIdentityRefusal)
  const { rotationFile, signRotation, writeRotation } = await import('../../daemon/rotation.ts')
  const { giveToOwnerOf } = await import('../../daemon/owner.ts')
  if (existsSync(rotationFile(config.dataDir))) {
    return failed(
      4,
      'rotating',
      'the key was changed already, and not all friends know yet',
      `run the daemon until they do, or remove ${rotationFile(config.dataDir)}: those who don't know have to add you anew`
    )
  }
  const kept = `${file}.${old.value.peerId.slice(-8)}`
  const fresh = `${file}.new`
  if (existsSync(fresh)) unlinkSync(fresh)
  const next = identities.createIdentity(fresh)
  if (!next.ok) return refused(fresh, next.reason, identities.explainIdentityRefusal)
  try {
    copyFileSync(file, kept, constants.COPYFILE_EXCL)
    writeRotation(config.dataDir, signRotation(config.network, old.value, next.value, context.now()))
    for (const made of [kept, rotationFile(config.dataDir), fresh]) giveToOwnerOf(file, made)
    renameSync(fresh, file)
  } catch (error) {
    return notWritable(file, error)
  }
  const told = await ask<Told>(context, { method: 'POST', path: '/v1/rotation' })
  const { fingerprint } = await import('../../daemon/fingerprint.ts')
  const { peerId } = next.value
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
    old: old.value.peerId,
    kept,
    told: told.ok ? told.value.told : 0,
    fingerprint: fingerprint(peerId)
  }
  return done(json, lines.join('\n'))
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
  const loaded = await ownKey(config)
  if (!loaded.ok) return loaded
  const { rotationFile } = await import('../../daemon/rotation.ts')
  const rotation = rotationFile(config.dataDir)
  const target = resolve(context.cwd, to)
  try {
    const bundle: Bundle = {
      banmesh: BUNDLE_VERSION,
      peerId: loaded.value.peerId,
      identity: readFileSync(loaded.value.file, 'utf8'),
      config: readFileSync(path, 'utf8'),
      networkKey: config.networkKey === null ? null : readFileSync(config.networkKey, 'utf8'),
      rotation: existsSync(rotation) ? readFileSync(rotation).toString('base64') : null
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
  const { identityFile, loadIdentity } = await import('../../daemon/identity.ts')
  const { rotationFile } = await import('../../daemon/rotation.ts')
  const { giveToOwnerOf, makeFolder } = await import('../../daemon/owner.ts')
  const key = identityFile(parsed.dataDir)
  const files: [string, string | Buffer | null, number][] = [
    [key, bundle.identity, SECRET],
    [rotationFile(parsed.dataDir), bundle.rotation === null ? null : Buffer.from(bundle.rotation, 'base64'), SECRET],
    [parsed.networkKey ?? '', parsed.networkKey === null ? null : bundle.networkKey, SECRET],
    [config, bundle.config, 0o640]
  ]
  const wanted = files.filter(([, content]) => content !== null)
  for (const [file] of wanted) {
    if (existsSync(file)) return failed(1, 'exists', `${file} exists already and is not overwritten`)
  }
  try {
    makeFolder(folder)
    makeFolder(parsed.dataDir)
    for (const [file, content, mode] of wanted) {
      writeFileSync(file, content!, { flag: 'wx', mode })
      giveToOwnerOf(dirname(file), file)
    }
  } catch (error) {
    return notWritable(folder, error)
  }
  const identity = loadIdentity(key)
  if (!identity.ok || identity.value.peerId !== bundle.peerId) {
    unlinkSync(key)
    return failed(2, 'not-an-export', `the key in ${source} is not that of ${bundle.peerId}`)
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
  const { giveToOwnerOf } = await import('../../daemon/owner.ts')
  giveToOwnerOf(dirname(file), file)
  const lines = [
    `wrote ${file}: give it to all nodes of the network, by a way that nobody else sees`,
    `then in each config: networkKey: ${to}`
  ]
  return done({ file }, lines.join('\n'))
}

async function ownKey(config: Config): Promise<Reply<Identity & { file: string }>> {
  const { explainIdentityRefusal, identityFile, loadIdentity } = await import('../../daemon/identity.ts')
  const file = identityFile(config.dataDir)
  const loaded = loadIdentity(file)
  return loaded.ok
    ? { ok: true, value: { ...loaded.value, file } }
    : refused(file, loaded.reason, explainIdentityRefusal)
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
