import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { simulate, type SimulateOptions } from '../../src/cli/commands/simulate.ts'
import type { Context } from '../../src/cli/context.ts'
import { bar, createProgress } from '../../src/cli/simulate/progress.ts'
import { barPlot, linePlot } from '../../src/cli/simulate/svg.ts'

let dir: string

before(async () => void (dir = await mkdtemp(join(tmpdir(), 'banmesh-simulate-'))))
after(() => rm(dir, { recursive: true }))

const SMALL: SimulateOptions = { nodes: '60', friends: '6', sightings: '3', colluders: '2', identities: '4', runs: '3' }

function run(options: SimulateOptions) {
  const context = {
    configOption: undefined,
    env: {},
    cwd: dir,
    now: () => 0,
    columns: null,
    banmesh: ['banmesh'],
    warn: () => undefined,
    say: () => undefined
  } satisfies Partial<Context>
  return simulate(context as unknown as Context, options)
}

async function result(options: SimulateOptions) {
  const outcome = await run(options)
  assert.ok(outcome.ok)
  return { json: JSON.stringify(outcome.json), text: outcome.text }
}

test('the same seed gives the same output byte for byte, on one thread or on two; another seed gives another', async () => {
  const options = { ...SMALL, sweep: ['quorum'], sweepRuns: '2' }
  const one = await result({ ...options, workers: '1' })
  assert.deepEqual(await result({ ...options, workers: '1' }), one)
  assert.deepEqual(await result({ ...options, workers: '2' }), one)
  assert.notDeepEqual(await result({ ...options, workers: '1', seed: '2' }), one)
})

test('the table names every attack and rule, CSV has a line for each, and the plots are SVG', async () => {
  const { text } = await result({
    ...SMALL,
    workers: '1',
    csv: 'out.csv',
    svg: 'plots',
    sweep: ['trust'],
    sweepRuns: '1'
  })
  for (const word of ['flow', 'f2b-p2p', 'majority', 'sybil-3', 'flip-flop', 'withhold'])
    assert.match(text, new RegExp(word))
  const lines = (await readFile(join(dir, 'out.csv'), 'utf8')).trim().split('\n')
  assert.equal(lines.length, 1 + 11 * 5 + 8 * 4)
  assert.ok(lines.every((line) => line.split(',').length === lines[0]!.split(',').length))
  const plots = await readdir(join(dir, 'plots'))
  assert.deepEqual(plots.toSorted(), ['coverage.svg', 'hops.svg', 'sweep-trust.svg', 'time.svg', 'wrongful.svg'])
  for (const name of plots) {
    const svg = await readFile(join(dir, 'plots', name), 'utf8')
    assert.match(svg, /^<svg xmlns="http:\/\/www.w3.org\/2000\/svg" [^>]*>\n[^]*<\/svg>\n$/)
    assert.doesNotMatch(svg, /NaN|undefined|Infinity/)
  }
})

test('sweeps alone: with the range of the runs in the table, in CSV and as bands, and what a report costs', async () => {
  const { text } = await result({
    ...SMALL,
    workers: '1',
    runs: '0',
    attack: ['none'],
    rule: ['flow'],
    sweep: ['maxHops'],
    sweepRuns: '3',
    csv: 'sweep.csv',
    svg: 'sweeps'
  })
  assert.match(text, /^maxHops +attack +rule +coverage % +range /)
  const [header, ...rows] = (await readFile(join(dir, 'sweep.csv'), 'utf8')).trim().split('\n')
  const columns = header!.split(',')
  for (const row of rows) {
    const cells = row.split(',')
    const [low, mean, high] = ['coverageMin', 'coverage', 'coverageMax'].map((name) =>
      Number(cells[columns.indexOf(name)])
    )
    assert.ok(low! <= mean! && mean! <= high!, row)
  }
  assert.deepEqual((await readdir(join(dir, 'sweeps'))).toSorted(), ['cost-maxHops.svg', 'sweep-maxHops.svg'])
  assert.match(await readFile(join(dir, 'sweeps', 'sweep-maxHops.svg'), 'utf8'), /<polygon /)
})

test('a mesh from a file', async () => {
  const ring = Array.from({ length: 20 }, (_, i) => `n${i} n${(i + 1) % 20}`).join('\n')
  await writeFile(join(dir, 'ring.txt'), ring)
  const outcome = await run({
    graph: 'ring.txt',
    sightings: '1',
    colluders: '1',
    runs: '1',
    attack: ['none'],
    rule: ['flow']
  })
  assert.ok(outcome.ok)
  const { settings, points } = outcome.json as {
    settings: { shape: string; nodes: number }
    points: { mean: { coverage: number } }[]
  }
  assert.equal(settings.shape, 'file')
  assert.equal(settings.nodes, 20)
  assert.equal(points[0]!.mean.coverage, 3 / 20, 'the origin and its two friends')
})

for (const [what, options, exit, message] of [
  ['a number that is none', { nodes: 'many' }, 2, /--nodes is a whole number from 10 to 1000000/],
  ['a number that is too small', { nodes: '9' }, 2, /--nodes/],
  ['a trust above 100', { trust: '101' }, 2, /--trust is a whole number from 0 to 100/],
  ['an unknown attack', { attack: ['bribe'] }, 2, /--attack bribe is unknown/],
  ['an unknown rule', { rule: ['flow', 'luck'] }, 2, /--rule luck is unknown/],
  ['an unknown sweep', { sweep: ['seed'] }, 2, /--sweep seed is unknown/],
  ['neither a table nor a sweep', { runs: '0' }, 2, /--runs 0 leaves nothing but sweeps/],
  ['an unknown shape', { shape: 'star' }, 2, /--shape star is unknown/],
  ['more speakers than nodes', { nodes: '10', sightings: '8', colluders: '5' }, 2, /at least 14 nodes/],
  ['a file that is not there', { graph: 'none.txt' }, 1, /none.txt: it can not be read/]
] as const) {
  test(`${what} is refused`, async () => {
    const outcome = await run({ runs: '1', ...options })
    assert.ok(!outcome.ok)
    assert.equal(outcome.exit, exit)
    assert.match(outcome.messages.join('\n'), message)
  })
}

test('a progress bar fits into its line and ends full', () => {
  assert.equal(bar(0, 4, 80, 0), `[${'-'.repeat(40)}] 0 % (0/4)`)
  assert.equal(bar(1, 4, 80, 1000), `[${'#'.repeat(10)}${'-'.repeat(30)}] 25 % (1/4, 3 s left)`)
  assert.equal(bar(4, 4, 80, 1000), `[${'#'.repeat(40)}] 100 % (4/4, 0 s left)`)
  for (const columns of [1, 5, 20, 24, 30, 200])
    assert.ok(bar(999, 1000, columns, 123_456).length < Math.max(columns, 2))
})

test('a progress bar is drawn on a terminal only, not for every step, and taken away in the end', () => {
  let now = 0
  const written: string[] = []
  const screen = { isTTY: true, columns: 60, write: (text: string) => written.push(text) }
  const progress = createProgress(screen, () => now)
  for (let i = 1; i <= 100; i++) {
    now += 10
    progress.update(i, 100)
  }
  progress.end()
  assert.ok(written.length >= 5 && written.length <= 15, `${written.length} drawings`)
  assert.equal(written.at(-1), '\r\u001B[K')
  const silent = createProgress({ ...screen, isTTY: false, write: () => assert.fail('not a terminal') }, () => 0)
  silent.update(1, 2)
  silent.end()
})

test('plots keep what is outside of their range inside, and text from breaking out', () => {
  const line = linePlot({
    title: '<a & b>',
    x: 'x',
    y: '%',
    top: 10,
    series: [
      {
        name: 's',
        points: [
          { x: 1, y: 20 },
          { x: 2, y: -5 }
        ]
      }
    ]
  })
  assert.match(line, /<title>&lt;a &amp; b&gt;<\/title>/)
  assert.match(line, /points="56,84 696,332"/)
  const bars = barPlot({ title: 't', y: '%', top: 10, groups: ['g'], series: [{ name: 's', values: [5] }] })
  assert.match(bars, /<rect x="[\d.]+" y="208" width="[\d.]+" height="124"/)
})
