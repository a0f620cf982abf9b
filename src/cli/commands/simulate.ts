/** `simulate`: synthetic meshes under attack, rule against rule. Needs no config and no daemon. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { Context } from '../context.ts'
import { done, failed, type Outcome } from '../outcome.ts'
import { ATTACK_NAMES, type Attack } from '../simulate/attacks.ts'
import { runExperiment, SWEEP_NAMES, type Sweep } from '../simulate/experiment.ts'
import { readFriendships, SHAPES, type Shape } from '../simulate/friendships.ts'
import { createProgress } from '../simulate/progress.ts'
import { toPlots } from '../simulate/plots.ts'
import { formatResults, toCsv } from '../simulate/results.ts'
import { RULE_NAMES, type Rule, type Settings } from '../simulate/run.ts'

/** As commander gives them: everything is text, and what was not said is missing. */
export interface SimulateOptions {
  readonly shape?: string
  readonly graph?: string
  readonly nodes?: string
  readonly friends?: string
  readonly trust?: string
  readonly trustSpread?: string
  readonly threshold?: string
  readonly quorum?: string
  readonly maxHops?: string
  readonly relayFloor?: string
  readonly sightings?: string
  readonly colluders?: string
  readonly identities?: string
  readonly runs?: string
  readonly sweepRuns?: string
  readonly seed?: string
  readonly workers?: string
  readonly attack?: readonly string[]
  readonly rule?: readonly string[]
  readonly sweep?: readonly string[]
  readonly csv?: string
  readonly svg?: string
}

interface NumberOption {
  readonly default: number
  readonly min: number
  readonly max: number
}

/** Of the policy the defaults of the config; of a mesh a size that takes seconds. */
const NUMBERS = {
  nodes: { default: 1000, min: 10, max: 1_000_000 },
  friends: { default: 8, min: 2, max: 1000 },
  trust: { default: 80, min: 0, max: 100 },
  trustSpread: { default: 0, min: 0, max: 100 },
  threshold: { default: 80, min: 1, max: 100 },
  quorum: { default: 1, min: 1, max: 1000 },
  maxHops: { default: 6, min: 0, max: 16 },
  relayFloor: { default: 5, min: 0, max: 100 },
  sightings: { default: 10, min: 1, max: 10_000 },
  colluders: { default: 5, min: 1, max: 10_000 },
  identities: { default: 12, min: 0, max: 10_000 },
  runs: { default: 10, min: 0, max: 100_000 },
  sweepRuns: { default: 5, min: 1, max: 100_000 },
  seed: { default: 1, min: 0, max: 2 ** 31 - 1 },
  workers: { default: 64, min: 1, max: 64 }
} as const satisfies Partial<Record<keyof SimulateOptions, NumberOption>>

type NumberName = keyof typeof NUMBERS

/** For sweeps, unless told otherwise. */
const SWEPT_ATTACKS: readonly Attack[] = ['none', 'liar', 'colluders', 'sybil-3']
const SWEPT_RULES: readonly Rule[] = ['flow']

export async function simulate(context: Context, options: SimulateOptions): Promise<Outcome> {
  const numbers = {} as Record<NumberName, number>
  for (const [name, { default: usual, min, max }] of Object.entries(NUMBERS) as [NumberName, NumberOption][]) {
    const value = options[name] === undefined ? usual : Number(options[name])
    if (!Number.isInteger(value) || value < min || value > max) {
      return failed(2, 'usage', `--${dashed(name)} is a whole number from ${min} to ${max}`)
    }
    numbers[name] = value
  }
  const shape = chosen('shape', options.shape === undefined ? [] : [options.shape], SHAPES, ['small-world'])
  if (!shape.ok) return shape.outcome
  const attacks = chosen('attack', options.attack, ATTACK_NAMES, ATTACK_NAMES)
  if (!attacks.ok) return attacks.outcome
  const rules = chosen('rule', options.rule, RULE_NAMES, RULE_NAMES)
  if (!rules.ok) return rules.outcome
  const sweeps = chosen('sweep', options.sweep, SWEEP_NAMES, [])
  if (!sweeps.ok) return sweeps.outcome

  if (numbers.runs === 0 && sweeps.names.length === 0) return failed(2, 'usage', '--runs 0 leaves nothing but sweeps')

  const graph = options.graph === undefined ? null : await readFriendships(resolve(context.cwd, options.graph))
  if (graph !== null && !graph.ok) return failed(1, 'bad-graph', `${options.graph}: ${explain(graph.reason)}`)
  const given = graph === null ? null : graph.value
  const { runs, sweepRuns, seed, workers, ...mesh } = numbers
  const settings: Settings = {
    ...mesh,
    shape: given === null ? shape.names[0]! : 'file',
    nodes: given?.nodes ?? mesh.nodes
  }
  const drawn = settings.sightings + settings.colluders + 1
  if (drawn > settings.nodes) return failed(2, 'usage', `sightings and colluders need at least ${drawn} nodes`)
  if (given !== null && sweeps.names.some((name) => name === 'nodes' || name === 'friends')) {
    return failed(2, 'usage', 'a graph from a file has its own nodes and friends: they can not be swept')
  }

  const { stderr } = process
  const screen = { isTTY: stderr.isTTY, columns: stderr.columns, write: (text: string) => stderr.write(text) }
  const progress = createProgress(screen, context.now)
  const startedMs = context.now()
  const experiment = {
    settings,
    seed,
    runs,
    sweepRuns,
    attacks: attacks.names,
    rules: rules.names,
    sweeps: sweeps.names,
    sweepAttacks: options.attack === undefined ? SWEPT_ATTACKS : attacks.names,
    sweepRules: options.rule === undefined ? SWEPT_RULES : rules.names,
    given,
    workers
  }
  const points = await runExperiment(experiment, progress.update)
  progress.end()

  try {
    if (options.csv !== undefined) await writeFile(resolve(context.cwd, options.csv), toCsv(points))
    if (options.svg !== undefined) {
      const dir = resolve(context.cwd, options.svg)
      await mkdir(dir, { recursive: true })
      for (const [name, text] of toPlots(points)) await writeFile(join(dir, name), text)
    }
  } catch (error) {
    return failed(1, 'unwritable', error instanceof Error ? error.message : String(error))
  }
  const seconds = ((context.now() - startedMs) / 1000).toFixed(1)
  const mebibytes = (process.resourceUsage().maxRSS / 1024).toFixed(0)
  // What differs from run to run stays out of the document.
  const notes = [`${seconds} s, at most ${mebibytes} MiB of memory`]
  const document = { settings, seed, runs, sweepRuns, points }
  return done(document, formatResults(points, context.columns), { notes })
}

type Chosen<Name> =
  | { readonly ok: true; readonly names: readonly Name[] }
  | { readonly ok: false; readonly outcome: Outcome }

/** `all` stands for every name. */
function chosen<Name extends Attack | Rule | Sweep | Shape>(
  option: string,
  words: readonly string[] | undefined,
  names: readonly Name[],
  usual: readonly Name[]
): Chosen<Name> {
  if (words === undefined || words.length === 0) return { ok: true, names: usual }
  if (words.includes('all')) return { ok: true, names }
  const unknown = words.find((word) => !names.some((name) => name === word))
  if (unknown !== undefined) {
    return { ok: false, outcome: failed(2, 'usage', `--${option} ${unknown} is unknown`, `one of ${names.join(', ')}`) }
  }
  return { ok: true, names: names.filter((name) => words.includes(name)) }
}

function explain(reason: string): string {
  if (reason.startsWith('line ')) return `${reason} does not name two nodes`
  return (
    { unreadable: 'it can not be read', empty: 'there is no friendship in it' }[reason] ?? 'it has too many friendships'
  )
}

function dashed(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
}
