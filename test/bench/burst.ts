/**
 * Many claims at once: one import on A until B has every verdict, and until its kernel has every element, by the nftables
 * hand-off. A and B are daemons in namespaces. The yardstick is `nft -f` of the same elements.
 */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { IMPORT_BATCH, type Status } from '../../src/control/api.ts'
import { parseSubject, type Subject } from '../../src/core/subject.ts'
import { tableText } from '../../src/fail2ban/nft-ruleset.ts'
import { runOk } from '../support/lab-processes.ts'
import { createPair } from './pair.ts'
import { line, type Line } from './report.ts'

const SIZES: readonly [size: number, goal: string][] = [
  [1000, '-'],
  [10_000, '<= 1 s'],
  [100_000, '<= 5 s']
]
const TTL_SECONDS = 86_400
const TIMEOUT_MS = 300_000
/** To look costs B something too. */
const LOOK_MS = 25

export async function* bench(): AsyncGenerator<Line> {
  for (const [size, goal] of SIZES) yield* measure(size, goal)
}

async function* measure(size: number, goal: string): AsyncGenerator<Line> {
  await using pair = await createPair({ handoff: () => ({ log: false, nftables: { enabled: true } }) })
  const { a, b } = pair
  const subjects = Array.from({ length: size }, (_, i) => subjectOf(i))
  const file = join(b.dir, 'elements.nft')
  writeFileSync(
    file,
    tableText(
      subjects.map((subject) => ({ subject, seconds: TTL_SECONDS })),
      'drop'
    )
  )
  // In a namespace of its own, for B's table is under the eyes of its daemon.
  const scratch = await pair.network.plug('scratch', 99)
  const bare = await timed(() => runOk(scratch.inside(['nft', '-f', file]), undefined, TIMEOUT_MS))

  const from = performance.now()
  for (let i = 0; i < size; i += IMPORT_BATCH) {
    const bans = subjects.slice(i, i + IMPORT_BATCH).map((subject) => ({ subject, ttlSeconds: TTL_SECONDS }))
    assert((await a.call({ method: 'POST', path: '/v1/import', body: { jail: 'sshd', bans } })).ok)
  }
  const imported = performance.now() - from
  const until = async (done: (status: Status) => boolean): Promise<number> => {
    while (!done(await b.banmesh.get<Status>('/v1/status'))) {
      assert(performance.now() - from < TIMEOUT_MS, `${size} did not arrive`)
      await delay(LOOK_MS)
    }
    return performance.now() - from
  }
  const verdicts = await until(({ verdicts: { accepted } }) => accepted === size)
  const kernel = await until(({ handoff: { nftables } }) => nftables?.pending === 0)
  const listing = await runOk(
    b.namespace.inside(['nft', '-j', 'list', 'set', 'inet', 'banmesh', 'ipv4_32']),
    undefined,
    TIMEOUT_MS
  )
  const listed = new Set([...listing.matchAll(/"val": "([0-9.]+)"/g)].map(([, address]) => address))
  assert.equal(subjects.filter((subject) => !listed.has(subject)).length, 0, 'addresses are missing')

  const figure = (what: string, took: number, wanted: string): Line =>
    line(`burst, ${size.toLocaleString('en')}: ${what}`, took / 1000, 's', bare / 1000, wanted)
  yield figure('A has taken them', imported, '-')
  yield figure("all of B's verdicts", verdicts, '-')
  yield figure("all in B's kernel, none missing", kernel, goal)
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const from = performance.now()
  await work()
  return performance.now() - from
}

function subjectOf(index: number): Subject {
  const parsed = parseSubject(`5.${index >> 16}.${(index >> 8) & 255}.${index & 255}`)
  assert(parsed.ok)
  return parsed.value
}
