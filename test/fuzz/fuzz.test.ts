/** A few thousand inputs for every decoder; `npm run fuzz` gives each a million. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { createCoverage } from './coverage.ts'
import { fuzz } from './engine.ts'
import { mutate } from './mutate.ts'
import { TARGETS, type Target } from './targets.ts'
import { seeded } from '../support/seeded.ts'

/** A case of these takes a connection or a file. */
const SLOW: ReadonlySet<string> = new Set(['control-requests', 'spool', 'config'])
const GROWTH_BYTES = 32 * 1024 * 1024

before(async () => {
  for (const target of TARGETS) await target.start?.()
})
after(async () => {
  for (const target of TARGETS) await target.stop?.()
})

for (const target of TARGETS) {
  test(`whatever the bytes, ${target.name} neither crashes nor hangs nor keeps memory`, async (t) => {
    const report = await fuzz(target, { cases: SLOW.has(target.name) ? 500 : 5000, seed: 1 })
    t.diagnostic(`slowest ${report.slowestMs.toFixed(1)} ms`)
    assert.ok(report.grownBytes < GROWTH_BYTES, `${report.grownBytes} bytes more`)
  })
}

function toy(run: Target['run']): Target {
  return { name: 'toy', corpus: [Uint8Array.of(1, 2, 3)], run }
}

test('a target that throws is told with the input that did it', async () => {
  const target = toy((input) => assert.ok(input.length < 6))
  await assert.rejects(fuzz(target, { cases: 10_000, seed: 1 }), /toy fails on [0-9a-f]{12}/)
})

test('a target that keeps memory is noticed', async () => {
  const kept: number[][] = []
  const target = toy(() => void kept.push(Array.from({ length: 1000 }, () => kept.length)))
  const { grownBytes } = await fuzz(target, { cases: 10_000, seed: 1 })
  assert.ok(grownBytes > GROWTH_BYTES, `${grownBytes} bytes`)
})

test('the same seed makes the same inputs', () => {
  const corpus = [Buffer.from('one'), Buffer.from('another')]
  const make = (seed: number) => {
    const random = seeded(seed)
    return Array.from({ length: 100 }, () => Buffer.from(mutate(corpus, ['token'], random)).toString('hex'))
  }
  assert.deepEqual(make(7), make(7))
  assert.notDeepEqual(make(7), make(8))
})

test('coverage leads into what is behind several checks, which chance alone does not find', async () => {
  const reached = async (guided: boolean): Promise<number> => {
    let deepest = 0
    const target = toy((input) => {
      deepest = Math.max(deepest, depthOf(input))
    })
    const coverage = guided ? await createCoverage('/fuzz.test.ts') : undefined
    await fuzz(target, { cases: 150_000, seed: 3, ...(coverage !== undefined && { coverage }) })
    coverage?.stop()
    return deepest
  }
  assert.ok((await reached(true)) > (await reached(false)))
})

/** How many of four bytes are right; each is looked at only if those before it are. */
function depthOf(input: Uint8Array): number {
  if (input[0] !== 0xf1) return 0
  if (input[1] !== 0x5c) return 1
  if (input[2] !== 0xa7) return 2
  if (input[3] !== 0x3e) return 3
  return 4
}
