/** Many runs: the table of rules and attacks, and the sweeps over one setting after the other; means over the seeds. */
import { availableParallelism } from 'node:os'
import type { Attack } from './attacks.ts'
import type { Friendships } from './friendships.ts'
import { runTasks, type Result } from './pool.ts'
import type { Measures, Rule, Run, Settings } from './run.ts'

/** The settings that can be swept, and their values. */
export const SWEEPS = {
  friends: [2, 4, 6, 8, 12, 16, 24],
  trust: [50, 60, 70, 75, 80, 85, 90, 95],
  threshold: [50, 60, 70, 80, 85, 90, 95, 99],
  quorum: [1, 2, 3, 4],
  maxHops: [1, 2, 3, 4, 5, 6, 7, 8, 10],
  sightings: [1, 2, 3, 5, 7, 10, 15, 20, 30],
  colluders: [1, 2, 3, 5, 7, 10, 15, 20, 30],
  nodes: [100, 300, 1000, 3000, 10_000, 30_000, 100_000]
} as const satisfies Partial<Record<keyof Settings, readonly number[]>>

export type Sweep = keyof typeof SWEEPS

export const SWEEP_NAMES = Object.keys(SWEEPS) as Sweep[]

export interface Point {
  readonly sweep: Sweep | null
  readonly value: number | null
  readonly attack: Attack
  readonly rule: Rule
  readonly mean: Measures
  /** The lowest and the highest of the runs. */
  readonly coverageRange: readonly [number, number]
  readonly wrongfulRange: readonly [number, number]
}

export interface Experiment {
  readonly settings: Settings
  readonly seed: number
  readonly runs: number
  readonly sweepRuns: number
  readonly attacks: readonly Attack[]
  readonly rules: readonly Rule[]
  readonly sweeps: readonly Sweep[]
  readonly sweepAttacks: readonly Attack[]
  readonly sweepRules: readonly Rule[]
  readonly given: Friendships | null
  readonly workers: number
}

export async function runExperiment(
  experiment: Experiment,
  progress: (finished: number, all: number) => void
): Promise<Point[]> {
  const { seed, given } = experiment
  const groups: Group[] = experiment.runs === 0 ? [] : [{ ...experiment, sweep: null, value: null }]
  for (const sweep of experiment.sweeps) {
    for (const value of SWEEPS[sweep]) groups.push(sweepGroup(experiment, sweep, value))
  }
  // The attacks of a run together: they have much in common.
  const tasks = groups.flatMap(({ settings: used, attacks, rules, runs }) =>
    Array.from({ length: runs }, (_, run) =>
      attacks.map((attack): Run => ({ settings: used, attack, rules, seed, run }))
    ).flat()
  )
  const workers = Math.max(1, Math.min(experiment.workers, availableParallelism(), tasks.length))
  const results = await runTasks(tasks, given, workers, (finished) => progress(finished, tasks.length))
  let from = 0
  return groups.flatMap((group) => {
    const part = results.slice(from, (from += group.runs * group.attacks.length))
    return pointsOf(group, part)
  })
}

/** All runs with the same settings. */
interface Group {
  readonly sweep: Sweep | null
  readonly value: number | null
  readonly settings: Settings
  readonly attacks: readonly Attack[]
  readonly rules: readonly Rule[]
  readonly runs: number
}

function sweepGroup({ settings, sweepAttacks, sweepRules, sweepRuns }: Experiment, sweep: Sweep, value: number): Group {
  return {
    sweep,
    value,
    settings: { ...settings, [sweep]: value },
    attacks: sweepAttacks,
    rules: sweepRules,
    runs: sweepRuns
  }
}

function pointsOf({ sweep, value, attacks, rules }: Group, results: readonly Result[]): Point[] {
  return attacks.flatMap((attack, a) => {
    const own = results.filter((_, i) => i % attacks.length === a)
    return rules.map((rule): Point => {
      const all = own.map((result) => result.get(rule)!)
      return {
        sweep,
        value,
        attack,
        rule,
        mean: meanOf(all),
        coverageRange: rangeOf(all.map(({ coverage }) => coverage)),
        wrongfulRange: rangeOf(all.map(({ wrongful }) => wrongful))
      }
    })
  })
}

function meanOf(all: readonly Measures[]): Measures {
  const first = all[0]!
  const entries = Object.keys(first).map((key) => {
    const name = key as keyof Measures
    if (name === 'mostRelays') return [name, Math.max(...all.map(({ mostRelays }) => mostRelays))]
    if (name === 'byHop' || name === 'byTime')
      return [name, first[name].map((_, i) => mean(all.map((one) => one[name][i]!)))]
    return [name, mean(all.map((one) => one[name]))]
  })
  return Object.fromEntries(entries) as Measures
}

/** Of those that are there; rounded so that a document of it is of use to people too. */
function mean(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null)
  if (known.length === 0) return null
  return Number((known.reduce((sum, value) => sum + value, 0) / known.length).toPrecision(6))
}

function rangeOf(values: readonly number[]): readonly [number, number] {
  return [Math.min(...values), Math.max(...values)]
}
