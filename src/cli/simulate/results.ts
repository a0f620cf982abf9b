/** What an experiment found, as text, as CSV, and as plots by file name. */
import { formatTable } from '../table.ts'
import { ATTACKS, type Attack } from './attacks.ts'
import type { Point } from './experiment.ts'
import { TIMELINE_MS, type Measures, type Rule } from './run.ts'
import { barPlot, linePlot, type Series } from './svg.ts'

const PERCENT = 100

export function formatResults(points: readonly Point[], columns: number | null): string {
  const table = points.filter(({ sweep }) => sweep === null)
  const rules = namesOf(table, 'rule')
  const attacks = namesOf(table, 'attack')
  const cell = (attack: Attack, rule: Rule, show: (point: Point) => string) => {
    const point = table.find((one) => one.attack === attack && one.rule === rule)
    return point === undefined ? '' : show(point)
  }
  const parts: string[] = []
  if (table.length > 0) {
    parts.push(
      'share of nodes that ban the attacker / that are tricked into banning the victim, in percent',
      formatTable(
        [
          ['attack', ...rules],
          ...attacks.map((attack) => [
            attack,
            ...rules.map((rule) =>
              cell(attack, rule, ({ mean }) => `${share(mean.coverage)} / ${share(mean.wrongful)}`)
            )
          ])
        ],
        columns
      ),
      '',
      'messages, bytes and signature checks per report and node',
      formatTable(
        [
          ['attack', ...rules],
          ...attacks.map((attack) => [
            attack,
            ...rules.map((rule) =>
              cell(
                attack,
                rule,
                ({ mean }) => `${short(mean.messages)} ${short(mean.bytes)} ${short(mean.signatureChecks)}`
              )
            )
          ])
        ],
        columns
      ),
      '',
      ...attacks.map((attack) => `${attack}: ${ATTACKS[attack]}`)
    )
  }
  for (const sweep of namesOf(points, 'sweep')) {
    const swept = points.filter((point) => point.sweep === sweep)
    parts.push(
      '',
      formatTable(
        [
          [sweep, 'attack', 'rule', 'coverage %', 'wrongful %', 'messages', 'relays', 'again'],
          ...swept.map(({ value, attack, rule, mean }) => [
            String(value),
            attack,
            rule,
            share(mean.coverage),
            share(mean.wrongful),
            short(mean.messages),
            short(mean.relays),
            short(mean.relaysAgain)
          ])
        ],
        columns
      )
    )
  }
  return parts.join('\n').trim()
}

const CSV_MEASURES = [
  'coverage',
  'wrongful',
  'everWrongful',
  'wrongfulFar',
  'cutOff',
  'messages',
  'bytes',
  'signatureChecks',
  'relays',
  'relaysAgain',
  'mostRelays',
  'refused',
  'changes'
] as const satisfies readonly (keyof Measures)[]

export function toCsv(points: readonly Point[]): string {
  const header = ['sweep', 'value', 'attack', 'rule', ...CSV_MEASURES]
  const rows = points.map(({ sweep, value, attack, rule, mean }) => [
    sweep ?? '',
    value ?? '',
    attack,
    rule,
    ...CSV_MEASURES.map((name) => mean[name] ?? '')
  ])
  return [header, ...rows].map((row) => `${row.join(',')}\n`).join('')
}

export function toPlots(points: readonly Point[]): Map<string, string> {
  const plots = new Map<string, string>()
  const table = points.filter(({ sweep }) => sweep === null)
  if (table.length > 0) {
    const rules = namesOf(table, 'rule')
    const attacks = namesOf(table, 'attack')
    const bars = (title: string, measure: (mean: Measures) => number) =>
      barPlot({
        title,
        y: '%',
        top: PERCENT,
        groups: attacks,
        series: rules.map((rule) => ({
          name: rule,
          values: attacks.map((attack) => {
            const point = table.find((one) => one.attack === attack && one.rule === rule)
            return point === undefined ? 0 : measure(point.mean) * PERCENT
          })
        }))
      })
    plots.set(
      'wrongful.svg',
      bars('Nodes tricked into banning a victim', ({ wrongful }) => wrongful)
    )
    plots.set(
      'coverage.svg',
      bars('Nodes that ban the real attacker', ({ coverage }) => coverage)
    )
    const calm = table.filter(({ attack }) => attack === attacks[0])
    plots.set(
      'time.svg',
      linePlot({
        title: `Nodes that ban the real attacker, by time (${attacks[0]})`,
        x: 'ms since it was seen',
        y: '%',
        top: PERCENT,
        series: calm.map(({ rule, mean }) => ({
          name: rule,
          points: TIMELINE_MS.map((at, i) => [at, mean.byTime[i]! * PERCENT] as const)
        }))
      })
    )
    plots.set(
      'hops.svg',
      linePlot({
        title: `Nodes that ban the real attacker, by distance (${attacks[0]})`,
        x: 'links to the nearest node that saw it',
        y: '%',
        top: PERCENT,
        series: calm.map(({ rule, mean }) => ({
          name: rule,
          points: mean.byHop.flatMap((value, hop) => (value === null ? [] : [[hop, value * PERCENT] as const]))
        }))
      })
    )
  }
  for (const sweep of namesOf(points, 'sweep')) {
    plots.set(`sweep-${sweep}.svg`, sweepPlot(sweep, points))
  }
  return plots
}

/** Coverage without an attack as a whole line, tricked nodes for each attack as dashed ones. */
function sweepPlot(sweep: string, points: readonly Point[]): string {
  const swept = points.filter((point) => point.sweep === sweep)
  const rules = namesOf(swept, 'rule')
  const series = rules.flatMap((rule) =>
    namesOf(swept, 'attack').map((attack): Series => {
      const own = swept.filter((point) => point.rule === rule && point.attack === attack)
      const calm = attack === 'none'
      return {
        name: `${rules.length > 1 ? `${rule}: ` : ''}${calm ? 'attacker banned' : `tricked by ${attack}`}`,
        dashed: !calm,
        points: own.map(({ value, mean }) => [value!, (calm ? mean.coverage : mean.wrongful) * PERCENT] as const)
      }
    })
  )
  return linePlot({ title: `Nodes that ban, by ${sweep}`, x: sweep, y: '%', top: PERCENT, series })
}

function namesOf<Key extends 'rule' | 'attack' | 'sweep'>(
  points: readonly Point[],
  key: Key
): NonNullable<Point[Key]>[] {
  return [...new Set(points.map((point) => point[key]))].filter((name) => name !== null)
}

function share(value: number): string {
  return (value * PERCENT).toFixed(1)
}

function short(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(value >= 10 ? 1 : 2)
}
