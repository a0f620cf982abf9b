/** What an experiment found, as text and as CSV. */
import { formatTable } from '../table.ts'
import { ATTACKS, type Attack } from './attacks.ts'
import type { Point } from './experiment.ts'
import type { Measures, Rule } from './run.ts'

const PERCENT = 100

/** Per report and node, but the last. */
const COSTS = ['messages', 'bytes', 'checks', 'relays', 'most relays']

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
          [sweep, 'attack', 'rule', 'coverage %', 'range', 'wrongful %', 'range', 'heard %', ...COSTS],
          ...swept.map(({ value, attack, rule, mean, coverageRange, wrongfulRange }) => [
            String(value),
            attack,
            rule,
            share(mean.coverage),
            coverageRange.map(share).join('..'),
            share(mean.wrongful),
            wrongfulRange.map(share).join('..'),
            mean.heard === null ? '' : share(mean.heard),
            short(mean.messages),
            short(mean.bytes),
            short(mean.signatureChecks),
            short(mean.relays),
            String(mean.mostRelays)
          ])
        ],
        columns
      )
    )
  }
  return parts.join('\n').trim()
}

const CSV_MEASURES = [
  'heard',
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
  const ranges = ['coverageMin', 'coverageMax', 'wrongfulMin', 'wrongfulMax']
  const header = ['sweep', 'value', 'attack', 'rule', ...CSV_MEASURES, ...ranges]
  const rows = points.map(({ sweep, value, attack, rule, mean, coverageRange, wrongfulRange }) => [
    sweep ?? '',
    value ?? '',
    attack,
    rule,
    ...CSV_MEASURES.map((name) => mean[name] ?? ''),
    ...coverageRange,
    ...wrongfulRange
  ])
  return [header, ...rows].map((row) => `${row.join(',')}\n`).join('')
}

export function namesOf<Key extends 'rule' | 'attack' | 'sweep'>(
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
