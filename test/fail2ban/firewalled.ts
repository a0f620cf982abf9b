/** A network namespace of a test's own, with a server in it that anybody may try to connect to from any address. */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { TestContext } from 'node:test'
import { runOk } from '../support/lab-processes.ts'

export interface Firewalled {
  readonly namespace: string
  /** The argv that runs nft in the namespace. */
  readonly nft: readonly [string, ...string[]]
  /** Runs a command in the namespace. */
  run(...argv: string[]): Promise<string>
  /** What becomes of a TCP connection whose packets come from `address`. */
  connect(address: string): Promise<'open' | 'refused' | 'dropped'>
}

/** Reads an address a line; answers with what became of a connection from it. The server is in the same process. */
const PROBE = `
const net = require('node:net')
const server = net.createServer((socket) => socket.on('error', () => {}).end()).listen(7000, '::', () => console.log('up'))
require('node:readline').createInterface({ input: process.stdin }).on('line', (address) => {
  const host = address.includes(':') ? 'fd99::1' : '10.99.0.1'
  const socket = net.connect({ host, port: 7000, localAddress: address, timeout: 300 })
  const say = (word) => { socket.destroy(); console.log(word) }
  socket.once('connect', () => say('open')).once('timeout', () => say('dropped'))
  socket.once('error', (error) => say(error.code === 'ECONNREFUSED' ? 'refused' : error.code))
})
`

let count = 0

export async function firewalled(t: TestContext): Promise<Firewalled> {
  const name = `bm-${process.pid}-fw${++count}`
  const inside = (argv: readonly string[]): string[] => ['ip', 'netns', 'exec', name, ...argv]
  await runOk(['ip', 'netns', 'add', name])
  t.after(() => runOk(['ip', 'netns', 'del', name]))
  for (const args of [
    ['link', 'set', 'lo', 'up'],
    ['addr', 'add', '10.99.0.1/32', 'dev', 'lo'],
    ['-6', 'addr', 'add', 'fd99::1/128', 'dev', 'lo', 'nodad'],
    // Whatever the address is, it is one of this machine's.
    ['route', 'add', 'local', '203.0.113.0/24', 'dev', 'lo'],
    ['-6', 'route', 'add', 'local', '2001:db8::/32', 'dev', 'lo']
  ]) {
    await runOk(['ip', '-n', name, ...args])
  }
  await runOk(inside(['sysctl', '-qw', 'net.ipv6.ip_nonlocal_bind=1']))
  const [program, ...args] = inside([process.execPath, '-e', PROBE])
  const probe = spawn(program!, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  t.after(() => probe.kill('SIGKILL'))
  const lines = createInterface({ input: probe.stdout })[Symbol.asyncIterator]()
  await lines.next()
  return {
    namespace: name,
    nft: inside(['nft']) as [string, ...string[]],
    run: (...argv) => runOk(inside(argv)),
    async connect(address) {
      probe.stdin.write(`${address}\n`)
      const { value } = (await lines.next()) as { value: 'open' | 'refused' | 'dropped' }
      return value
    }
  }
}
