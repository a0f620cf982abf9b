/**
 * The node's identity: one Ed25519 key in `DATA_DIR/identity.key`, mode 0600. The file holds libp2p's own format, a
 * protobuf private key, in base64 on one line, as go-libp2p's tools and IPFS write it. Whoever can read it can speak as
 * this node, so a file that others can read is refused.
 */
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { privateKeyFromProtobuf } from '@libp2p/crypto/keys'
import type { Ed25519PrivateKey } from '@libp2p/interface'
import type { PeerId } from '../core/report.ts'
import { ok, refuse, type Result } from '../core/result.ts'
import { peerIdFromKey } from '../wire/peer-id.ts'
import { privateKeyFromRaw } from '../wire/signature.ts'
import { createFile, type Owner } from './owner.ts'

export interface Identity {
  readonly peerId: PeerId
  /** For libp2p's handshakes. */
  readonly libp2pKey: Ed25519PrivateKey
  /** The same key for signing reports. */
  readonly signingKey: KeyObject
}

export type IdentityRefusal = 'missing' | 'exists' | 'unreadable' | 'not-a-file' | 'open-to-others' | 'not-a-key'

/** Protobuf: field 1 (type) is 1 (Ed25519), field 2 (data) has 64 bytes: seed and public key. */
const PROTOBUF_HEAD = Uint8Array.of(0x08, 0x01, 0x12, 0x40)
const RAW_BYTES = 64
/** More than the one line takes; nothing longer is read. */
const FILE_BYTES = 256

export function identityFile(dataDir: string): string {
  return join(dataDir, 'identity.key')
}

/** Makes a new key and gives it to `owner`; refuses if the file exists. */
export function createIdentity(file: string, owner: Owner | null = null): Result<Identity, IdentityRefusal> {
  const { d, x } = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' })
  const protobuf = Buffer.concat([PROTOBUF_HEAD, Buffer.from(d!, 'base64url'), Buffer.from(x!, 'base64url')])
  try {
    createFile(file, `${protobuf.toString('base64')}\n`, 0o600, owner)
  } catch (error) {
    return refuse((error as NodeJS.ErrnoException).code === 'EEXIST' ? 'exists' : 'unreadable')
  }
  return decode(protobuf)
}

export function loadIdentity(file: string): Result<Identity, IdentityRefusal> {
  // Without the text: who carries an identity about shall not carry that.
  const read = readKeyFile(file, 0)
  return read.ok ? parseIdentity(read.value.text) : read
}

interface KeyFile {
  readonly text: string
  readonly owner: Owner
}

/**
 * The key with the text that it was read from, and whose that very file is. `flags` of openSync: O_NOFOLLOW refuses a link
 * as `not-a-file`.
 */
export function loadKey(file: string, flags = 0): Result<Identity & KeyFile, IdentityRefusal> {
  const read = readKeyFile(file, flags)
  if (!read.ok) return read
  const key = parseIdentity(read.value.text)
  return key.ok ? ok({ ...key.value, ...read.value }) : key
}

function readKeyFile(file: string, flags: number): Result<KeyFile, IdentityRefusal> {
  let descriptor: number
  try {
    // Without O_NONBLOCK a fifo in the key's place would hang the start.
    descriptor = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK | flags)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    return refuse(code === 'ENOENT' ? 'missing' : code === 'ELOOP' ? 'not-a-file' : 'unreadable')
  }
  try {
    const status = fstatSync(descriptor)
    if (!status.isFile()) return refuse('not-a-file')
    if ((status.mode & 0o077) !== 0) return refuse('open-to-others')
    if (status.size > FILE_BYTES) return refuse('not-a-key')
    const { uid, gid } = status
    return ok({ text: readFileSync(descriptor, 'latin1'), owner: { uid, gid } })
  } finally {
    closeSync(descriptor)
  }
}

/** The key in the text of a key file. */
export function parseIdentity(text: string): Result<Identity, IdentityRefusal> {
  const line = text.trim()
  const protobuf = Buffer.from(line, 'base64')
  return protobuf.toString('base64') === line ? decode(protobuf) : refuse('not-a-key')
}

const EXPLANATIONS: Record<IdentityRefusal, (file: string) => { message: string; hint: string }> = {
  missing: (file) => ({ message: `there is no key ${file}`, hint: 'make one: banmesh init --dir DIR' }),
  exists: (file) => ({
    message: `${file} exists already and is not overwritten`,
    hint: 'the key is the peer ID: friends would not know a new one'
  }),
  unreadable: (file) => ({
    message: `${file} can't be opened`,
    hint: 'it must belong to the user as whom the daemon runs'
  }),
  'not-a-file': (file) => ({ message: `${file} is not a file`, hint: 'it must be the key itself' }),
  'open-to-others': (file) => ({
    message: `others may use ${file}, the node's private key`,
    hint: `chmod 600 ${file}`
  }),
  'not-a-key': (file) => ({
    message: `${file} does not hold an Ed25519 key in base64`,
    hint: 'restore it from a backup, or remove it and make a new one: banmesh init'
  })
}

/** What to tell the operator, and what helps. */
export function explainIdentityRefusal(file: string, reason: IdentityRefusal): { message: string; hint: string } {
  return EXPLANATIONS[reason](file)
}

function decode(protobuf: Uint8Array): Result<Identity, IdentityRefusal> {
  const head = protobuf.subarray(0, PROTOBUF_HEAD.length)
  const raw = protobuf.subarray(PROTOBUF_HEAD.length)
  if (raw.length !== RAW_BYTES || !head.every((byte, index) => byte === PROTOBUF_HEAD[index]))
    return refuse('not-a-key')
  const signingKey = privateKeyFromRaw(raw)
  const peerId = peerIdFromKey(raw.subarray(RAW_BYTES / 2))
  if (signingKey === null || peerId === null) return refuse('not-a-key')
  return ok({ peerId, signingKey, libp2pKey: privateKeyFromProtobuf(protobuf) as Ed25519PrivateKey })
}
