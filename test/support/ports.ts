/**
 * Ports that nobody listens on, each for one test process alone: it is taken by a file that names the process, because
 * friends have to be told of a port before anybody listens on it. Below those that the kernel gives to outgoing connections.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const FIRST = 20_000
const COUNT = 12_000
const TAKEN = join(tmpdir(), 'banmesh-ports')
/** The state of a socket that listens, in /proc/net/tcp. */
const LISTENS = '0A'

let next = (process.pid * 37) % COUNT

export function takePort(): number {
  mkdirSync(TAKEN, { recursive: true })
  const inUse = listening()
  for (let tried = 0; tried < COUNT; tried++) {
    const port = FIRST + (next++ % COUNT)
    if (!inUse.has(port) && take(port)) return port
  }
  throw new Error('no port is free')
}

export function giveBackPort(port: number): void {
  rmSync(join(TAKEN, String(port)), { force: true })
}

function take(port: number): boolean {
  const file = join(TAKEN, String(port))
  if (isAlive(ownerOf(file))) return false
  rmSync(file, { force: true })
  try {
    writeFileSync(file, String(process.pid), { flag: 'wx' })
    return true
  } catch {
    return false
  }
}

/** NaN if nobody has it. */
function ownerOf(file: string): number {
  try {
    return Number(readFileSync(file, 'utf8') || Number.NaN)
  } catch {
    return Number.NaN
  }
}

function isAlive(pid: number): boolean {
  try {
    return pid > 0 && process.kill(pid, 0)
  } catch {
    return false
  }
}

function listening(): Set<number> {
  const lines = ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((table) => readFileSync(table, 'utf8').split('\n'))
  const fields = lines.map((line) => line.trim().split(/\s+/)).filter(([, , , state]) => state === LISTENS)
  return new Set(fields.map(([, local]) => Number.parseInt(local!.split(':')[1]!, 16)))
}
