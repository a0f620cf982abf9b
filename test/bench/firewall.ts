/**
 * From the start of our action on A until B's kernel has the element: real fail2ban on both sides, the action as it is
 * shipped. Told on A's socket, in a jail with no other action, and where the README puts it, after the jail's own: then the
 * action starts when A's kernel has the element. The yardstick is fail2ban's own `banip` on B's socket until B's kernel has
 * it. They take turns. What fail2ban takes to detect comes before all this.
 */
import assert from 'node:assert/strict'
import { appendFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseSubject } from '../../src/core/subject.ts'
import { createSocketClient } from '../../src/fail2ban/socket-client.ts'
import { median, spreadOf } from './figures.ts'
import { createPair, DETECTING, watchKernel, type Kernel, type PairNode } from './pair.ts'
import { line, type Line } from './report.ts'

const ROUNDS = 60
const WARM_UP = 5
const DETECTIONS = 15
const MAX_RETRY = 3
/** So that what one round leaves to be done is not in the next one's time. */
const REST_MS = 20

const WAYS = {
  "fail2ban's socket": {
    goal: '<= 2 x',
    handoff: (socket: string) => ({ log: false, fail2ban: { enabled: true, socket } })
  },
  nftables: { goal: '<= 1.5 x', handoff: () => ({ log: false, nftables: { enabled: true } }) }
}

export async function* bench(): AsyncGenerator<Line> {
  for (const [way, { goal, handoff }] of Object.entries(WAYS)) {
    await using pair = await createPair({ handoff: ({ socket }) => handoff(socket), jails })
    yield* measure(way, goal, pair)
    if (way === 'nftables') yield await detection(pair.a)
  }
}

/** `plain` has fail2ban's own action only, `alone` ours only, `watched` finds what is written to its log. */
function jails(dir: string) {
  const logpath = join(dir, 'auth.log')
  writeFileSync(logpath, '')
  const watched = { enabled: true, filter: 'sshd', port: 7000, backend: 'pyinotify', logpath, maxretry: MAX_RETRY }
  return {
    plain: { ...DETECTING, filter: 'sshd' },
    alone: { ...DETECTING, filter: 'sshd', action: 'banmesh' },
    watched: { ...watched, action: '%(action_)s' }
  }
}

async function* measure(way: string, goal: string, { a, b }: { a: PairNode; b: PairNode }): AsyncGenerator<Line> {
  const [kernelOfA, kernelOfB] = [watchKernel(a.namespace), watchKernel(b.namespace)]
  const times = { whole: [], after: [], alone: [], own: [] } as Record<'whole' | 'after' | 'alone' | 'own', number[]>
  try {
    for (let i = -WARM_UP; i < ROUNDS; i++) {
      const address = (third: number): string => `198.18.${third}.${i + WARM_UP}`
      const atA = kernelOfA.has(address(1))
      const whole = await bans(a, 'sshd', address(1), kernelOfB)
      const alone = await bans(a, 'alone', address(2), kernelOfB)
      const own = await bans(b, 'plain', address(3), kernelOfB)
      if (i < 0) continue
      times.whole.push(whole.at - whole.from)
      times.after.push(whole.at - (await atA))
      times.alone.push(alone.at - alone.from)
      times.own.push(own.at - own.from)
    }
  } finally {
    kernelOfA.end()
    kernelOfB.end()
  }
  const figure = (what: string, values: readonly number[], wanted: string): Line =>
    line(`firewall, ${way}: ${what}`, median(values), 'ms', median(times.own), wanted, spreadOf(values))
  yield figure("banip on A, banmesh its only action -> B's kernel", times.alone, goal)
  yield figure("A's kernel, where our action starts -> B's kernel", times.after, goal)
  yield figure("banip on A, its firewall first -> B's kernel", times.whole, '-')
}

/** When the command was given, and when the kernel that is watched had the address. */
async function bans(
  { fail2ban }: PairNode,
  jail: string,
  address: string,
  kernel: Kernel
): Promise<{ from: number; at: number }> {
  const subject = parseSubject(address)
  assert(subject.ok)
  const client = createSocketClient({ socket: fail2ban.socket })
  const arrives = kernel.has(address)
  const from = performance.now()
  const [at, banned] = await Promise.all([arrives, client.ban(jail, [subject.value])])
  assert(banned.ok)
  await delay(REST_MS)
  return { from, at }
}

/** From the first of the lines that make a ban until it is in A's own kernel; all of them come at once. */
async function detection({ dir, namespace }: PairNode): Promise<Line> {
  const kernel = watchKernel(namespace)
  const times: number[] = []
  try {
    for (let i = 0; i < DETECTIONS; i++) {
      const address = `198.18.4.${i}`
      const failure = `${new Date().toISOString()} lab sshd[77]: Failed password for nobody from ${address} port 4711 ssh2\n`
      // At any time between two of fail2ban's looks.
      await delay(1000 + 67 * i)
      const from = performance.now()
      appendFileSync(join(dir, 'auth.log'), failure.repeat(MAX_RETRY))
      times.push((await kernel.has(address)) - from)
    }
  } finally {
    kernel.end()
  }
  return line("firewall: fail2ban's own detection, log -> kernel", median(times), 'ms', null, '-', spreadOf(times))
}
