/** This node by itself: Node.js, the key, the disk, the socket's rights, the ports while no daemon has them. */
import { statSync, statfsSync } from 'node:fs'
import { createServer } from 'node:net'
import type { Config } from '../../daemon/config.ts'
import { fine, problem, quoted, type Check } from './check.ts'

/** Bytes that have to be free: the ledger's journal alone may grow by some MB. */
const FREE_BYTES = 200 * 1024 * 1024
/** Before this, no banmesh was ever built (2026-01-01): a clock that says so has lost its battery. Unix ms. */
const EPOCH = 1_767_225_600_000

export function checkNode(version: string): Check {
  const major = Number(version.split('.')[0])
  return major >= 24
    ? fine('node', `Node.js ${version}`)
    : problem('node', `Node.js ${version} is too old`, 'install Node.js 24 or newer')
}

/** The name is taken of files that the daemon would refuse. */
export async function checkKey({ dataDir }: Config): Promise<Check> {
  const { explainIdentityRefusal, identityFile, loadIdentity } = await import('../../daemon/identity.ts')
  const file = identityFile(dataDir)
  const loaded = loadIdentity(file)
  if (loaded.ok) return fine('key', `${loaded.value.peerId}, readable by its owner only`)
  const { message, hint } = explainIdentityRefusal(file, loaded.reason)
  if (loaded.reason !== 'open-to-others') return problem('key', message, hint)
  return problem('key', message, 'take the right away', `chmod 600 ${quoted(file)}`)
}

export function checkDisk(name: string, folder: string): Check {
  try {
    const { bavail, bsize, ffree, files } = statfsSync(folder)
    const free = bavail * bsize
    if (files > 0 && ffree < 100) return problem(name, `${folder} has no inodes left`, 'delete small files there')
    if (free >= FREE_BYTES) return fine(name, `${Math.floor(free / 1e6)} MB free in ${folder}`)
    const message = `only ${Math.floor(free / 1e6)} MB are free in ${folder}`
    return problem(name, message, 'make room: du -xh shows where it went; or move dataDir: to a larger file system')
  } catch {
    return problem(name, `${folder} can't be looked at`, `make it, for the user that runs banmesh: ${folder}`)
  }
}

export function checkClock(now: number): Check {
  if (now >= EPOCH) return fine('clock', new Date(now).toISOString())
  return problem('clock', `it says ${new Date(now).toISOString()}`, 'set the clock', 'timedatectl set-ntp true')
}

export function checkSocket(path: string): Check[] {
  try {
    const { mode } = statSync(path)
    if ((mode & 0o007) === 0) return [fine('socket', `${path} is for its owner and group only`)]
    const message = `${path} lets every user of this machine ban and unban`
    return [problem('socket', message, 'take the right away', `chmod o-rwx ${quoted(path)}`)]
  } catch {
    return []
  }
}

/** While the daemon does not run: whether it could listen. */
export async function checkPorts({ listen, web }: Config): Promise<Check[]> {
  const wanted = listen.flatMap((address) => {
    const [, host, port] = /^\/ip[46]\/([^/]+)\/tcp\/(\d+)/.exec(address) ?? []
    return host === undefined ? [] : [{ key: 'listen', host, port: Number(port) }]
  })
  if (web !== null) wanted.push({ key: 'web.listen', ...web.listen })
  const checks: Check[] = []
  for (const { key, host, port } of wanted.filter((address) => address.port !== 0)) {
    const refusal = await tryToListen(host, port)
    if (refusal === null || refusal === 'EAFNOSUPPORT') continue
    const fix = `ss -ltnp "sport = :${port}" shows who has it: end that, or choose another port with ${key}:`
    checks.push(
      refusal === 'EADDRINUSE'
        ? problem('ports', `port ${port} of ${host} is taken by another program`, fix)
        : problem('ports', `${host}, port ${port}, can't be listened on (${refusal})`, `choose another with ${key}:`)
    )
  }
  return checks.length > 0 ? checks : [fine('ports', 'nobody else has them')]
}

function tryToListen(host: string, port: number): Promise<string | null> {
  const { promise, resolve } = Promise.withResolvers<string | null>()
  const server = createServer()
  server.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code ?? 'unknown error'))
  server.listen({ host, port, ipv6Only: host.includes(':') }, () => server.close(() => resolve(null)))
  return promise
}
