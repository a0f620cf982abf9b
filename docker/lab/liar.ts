/**
 * A friend who lies: it has the mesh of a real node, and no daemon. It tells its friends what it is told to, on a unix
 * socket of its own: one line in, one line out.
 *
 *   liar.ts run | ready | lie SUBJECT COUNT | forge NAME SUBJECT
 */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import type { PeerId } from '../../src/core/report.ts'

const SOCKET = '/run/banmesh/liar.sock'
const CONFIG = '/data/banmesh/banmesh.yaml'
const USAGE = 'liar run | ready | lie SUBJECT COUNT | forge NAME SUBJECT'
const MOST_LIES = 10_000

const [command = '', ...args] = process.argv.slice(2)
if (command === 'run') await run()
else await ask([command, ...args].join(' '))

/** Prints the answer; exit code 1 if it is an error. */
async function ask(line: string): Promise<void> {
  const socket = connect(SOCKET)
  socket.end(`${line}\n`)
  const answer = await text(socket)
  process.stdout.write(answer)
  process.exitCode = answer.startsWith('error') ? 1 : 0
}

async function run(): Promise<void> {
  const [{ delayMs }, { parseSubject }, { loadConfig }, { identityFile, loadIdentity }, { createMesh }, lies] =
    await Promise.all([
      import('../../src/core/backoff.ts'),
      import('../../src/core/subject.ts'),
      import('../../src/daemon/config.ts'),
      import('../../src/daemon/identity.ts'),
      import('../../src/mesh/mesh.ts'),
      import('./lies.ts')
    ])
  const loaded = loadConfig(CONFIG)
  if (!loaded.ok) throw new Error(`the config is wrong: ${JSON.stringify(loaded.errors)}`)
  const { network, listen, friends, discovery, dataDir } = loaded.config
  const identity = loadIdentity(identityFile(dataDir))
  if (!identity.ok) throw new Error(`no key: ${identity.reason}`)
  const { peerId: liar, libp2pKey } = identity.value
  const mesh = await createMesh({
    privateKey: libp2pKey,
    network,
    listen,
    bootstrap: discovery.bootstrap,
    dht: true,
    friends,
    version: 'liar',
    now: Date.now,
    delayMs: (attempt) => delayMs(attempt, Math.random()),
    onMessage: async () => 'ignore',
    onFriend: (friend, ready) => process.stdout.write(`friend ${friend} ${ready ? 'connected' : 'gone'}\n`)
  })
  await mesh.start()

  async function lie(address: string, invent: (lie: Parameters<typeof lies.inventedReport>[0]) => Uint8Array) {
    const subject = parseSubject(address)
    if (!subject.ok) return `error: ${subject.reason}`
    const told = await mesh.publish(invent({ network, liar, subject: subject.value, now: Date.now() }))
    return told === 0 ? 'error: nobody is there to be lied to' : null
  }

  async function answer(line: string): Promise<string> {
    const [word, first = '', second = ''] = line.trim().split(' ')
    if (word === 'ready') return mesh.friends().every(({ ready }) => ready) ? 'ready' : 'error: a friend is not there'
    if (word === 'lie') {
      const count = Math.min(Number(second) || 1, MOST_LIES)
      for (let i = 0; i < count; i++) {
        const error = await lie(first, lies.inventedReport)
        if (error !== null) return error
      }
      return `told that ${count} others ban ${first}; none of them exists`
    }
    if (word === 'forge' && /^[a-z]+$/.test(first)) {
      const origin = readFileSync(`/peers/${first}`, 'utf8').trim() as PeerId
      return (await lie(second, (what) => lies.forgedReport(what, origin))) ?? `told that ${first} bans ${second}`
    }
    return `error: ${USAGE}`
  }

  async function serve(socket: Socket): Promise<void> {
    socket.on('error', () => {})
    const line = await text(socket)
    socket.end(`${await answer(line).catch((error: unknown) => `error: ${String(error)}`)}\n`)
  }

  const server = createServer({ allowHalfOpen: true }, (socket) => void serve(socket))
  server.listen(SOCKET)
  await Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')])
  server.close()
  await mesh.stop()
}
