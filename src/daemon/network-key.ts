/**
 * The key of a private network: a file that all its nodes share. Who does not have it can't begin a handshake, nor see
 * what is said in one. Its format is that of the private networks of libp2p and IPFS (`/key/swarm/psk/1.0.0/`).
 */
import { randomBytes } from 'node:crypto'
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { ok, refuse, type Result } from '../core/result.ts'
import { createFile, inFolder } from './owner.ts'

const FORMAT = /^\/key\/swarm\/psk\/1\.0\.0\/\n\/base16\/\n[0-9a-f]{64}\n?$/
const FILE_BYTES = 256
const KEY_BYTES = 32

export type NetworkKeyRefusal = 'unreadable' | 'open-to-others' | 'not-a-key'

/** The text of the file, as libp2p takes it; null if none is named. */
export function loadNetworkKey(file: string | null): Result<Uint8Array | null, NetworkKeyRefusal> {
  if (file === null) return ok(null)
  let descriptor: number
  try {
    // Without O_NONBLOCK a fifo in the key's place would hang the start.
    descriptor = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch {
    return refuse('unreadable')
  }
  try {
    const status = fstatSync(descriptor)
    if ((status.mode & 0o077) !== 0) return refuse('open-to-others')
    if (!status.isFile() || status.size > FILE_BYTES) return refuse('not-a-key')
    const text = readFileSync(descriptor, 'latin1')
    return isNetworkKey(text) ? ok(new TextEncoder().encode(text.trimEnd())) : refuse('not-a-key')
  } finally {
    closeSync(descriptor)
  }
}

export function isNetworkKey(text: string): boolean {
  return FORMAT.test(text)
}

/** Writes a new key, its folder's owner's; refuses if the file exists or can't be written. */
export function createNetworkKey(file: string): Result<void, 'exists' | 'not-writable'> {
  const text = `/key/swarm/psk/1.0.0/\n/base16/\n${randomBytes(KEY_BYTES).toString('hex')}\n`
  try {
    inFolder(dirname(file), {}, ({ path, owner }) => createFile(join(path, basename(file)), text, 0o600, owner))
    return ok(undefined)
  } catch (error) {
    return refuse((error as NodeJS.ErrnoException).code === 'EEXIST' ? 'exists' : 'not-writable')
  }
}
