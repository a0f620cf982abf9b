/** The token that unlocks the dashboard's actions: random, in a file that only the daemon's user can read. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { chmodSync, lstatSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { ok, refuse, type Result } from '../core/result.ts'

const TOKEN_BYTES = 32
const TOKEN = /^[A-Za-z0-9_-]{43}$/

/** The token in `path`; a new one if there is none, or if others could read it or put it there. */
export function loadToken(path: string): Result<string, 'not-writable'> {
  const kept = readPrivate(path)
  if (kept !== null) return ok(kept)
  const token = randomBytes(TOKEN_BYTES).toString('base64url')
  try {
    rmSync(path, { force: true })
    writeFileSync(path, `${token}\n`, { mode: 0o600, flag: 'wx' })
    chmodSync(path, 0o600)
    return ok(token)
  } catch {
    return refuse('not-writable')
  }
}

function readPrivate(path: string): string | null {
  try {
    const { mode } = lstatSync(path)
    const token = readFileSync(path, 'utf8').trim()
    return (mode & 0o170077) === 0o100000 && TOKEN.test(token) ? token : null
  } catch {
    return null
  }
}

/** Whether an `Authorization` header carries the token; takes as long for a wrong one as for the right one. */
export function carriesToken(header: string | undefined, token: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(header ?? ''), digest(`Bearer ${token}`))
}
