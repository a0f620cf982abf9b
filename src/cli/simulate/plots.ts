/** What an experiment found as plots: the text of an SVG by file name. */
import type { Attack } from './attacks.ts'
import type { Point, Sweep } from './experiment.ts'
import { namesOf } from './results.ts'
import { TIMELINE_MS, type Measures, type Rule } from './run.ts'
import { barPlot, linePlot, type LinePoint, type Series } from './svg.ts'

const PERCENT = 100

const RULE_TITLES: Readonly<Record<Rule, string>> = {
  flow: 'flow (banmesh)',
  sum: 'sum',
  'f2b-p2p': "fail2ban-p2p's code",
  any: 'any friend',
  majority: 'majority of friends'
}

const SWEEP_TITLES: Readonly<Record<Sweep, string>> = {
  friends: 'friends of each node',
  trust: 'trust in each friend, %',
  threshold: 'threshold, %',
  quorum: 'quorum, friends',
  maxHops: 'hop limit (maxHops)',
  sightings: 'nodes that see the attacker',
  colluders: 'nodes that lie together',
  nodes: 'nodes'
}

/** Without a lie there is nobody to trick. */
const WITHOUT_VICTIM: readonly Attack[] = ['none', 'flood', 'withhold']

/** Sweeps in which it is of interest what the traffic grows with. */
const GROWING: readonly Sweep[] = ['nodes', 'friends', 'maxHops']

export function toPlots(points: readonly Point[]): Map<string, string> {
  const plots = new Map<string, string>()
  const table = points.filter(({ sweep }) => sweep === null)
  if (table.length > 0) {
    const attacks = namesOf(table, 'attack')
    const lies = attacks.filter((attack) => !WITHOUT_VICTIM.includes(attack))
    plots.set(
      'wrongful.svg',
      bars('Nodes tricked into banning a victim', table, lies, ({ wrongful }) => wrongful)
    )
    plots.set(
      'coverage.svg',
      bars('Nodes that ban the real attacker', table, attacks, ({ coverage }) => coverage)
    )
    const calm = table.filter(({ attack }) => attack === attacks[0])
    plots.set('time.svg', rulePlot('time', 'ms since it was seen', calm, timesOf))
    plots.set('hops.svg', rulePlot('distance', 'links to the nearest node that saw it', calm, hopsOf))
  }
  for (const sweep of namesOf(points, 'sweep')) {
    const swept = points.filter((point) => point.sweep === sweep)
    for (const [i, rule] of namesOf(swept, 'rule').entries()) {
      const own = swept.filter((point) => point.rule === rule)
      plots.set(i === 0 ? `sweep-${sweep}.svg` : `sweep-${sweep}-${rule}.svg`, sweepPlot(sweep, own))
    }
    if (GROWING.includes(sweep)) plots.set(`cost-${sweep}.svg`, costPlot(sweep, swept))
  }
  return plots
}

function bars(
  title: string,
  table: readonly Point[],
  attacks: readonly Attack[],
  measure: (mean: Measures) => number
): string {
  const valueOf = (attack: Attack, rule: Rule) => {
    const point = table.find((one) => one.attack === attack && one.rule === rule)
    return point === undefined ? 0 : measure(point.mean) * PERCENT
  }
  const series = namesOf(table, 'rule').map((rule) => ({
    name: RULE_TITLES[rule],
    values: attacks.map((attack) => valueOf(attack, rule))
  }))
  return barPlot({ title, y: '%', top: PERCENT, groups: attacks, series })
}

/** Of one attack: coverage by one line for each rule. */
function rulePlot(by: string, x: string, calm: readonly Point[], pointsOf: (mean: Measures) => LinePoint[]): string {
  const attack = calm[0]!.attack === 'none' ? 'no attack' : calm[0]!.attack
  return linePlot({
    title: `Nodes that ban the real attacker, by ${by} (${attack})`,
    x,
    y: '%',
    top: PERCENT,
    series: calm.map(({ rule, mean }) => ({ name: RULE_TITLES[rule], points: pointsOf(mean) }))
  })
}

function timesOf({ byTime }: Measures): LinePoint[] {
  return TIMELINE_MS.map((x, i) => ({ x, y: byTime[i]! * PERCENT }))
}

function hopsOf({ byHop }: Measures): LinePoint[] {
  return byHop.flatMap((value, x) => (value === null ? [] : [{ x, y: value * PERCENT }]))
}

/** Of one rule: coverage without a lie as whole lines, tricked nodes for each attack as dashed ones. */
function sweepPlot(sweep: Sweep, swept: readonly Point[]): string {
  const series = namesOf(swept, 'attack').map((attack): Series => {
    const honest = WITHOUT_VICTIM.includes(attack)
    return {
      name: honest ? `attacker banned${attack === 'none' ? '' : ` (${attack})`}` : `tricked by ${attack}`,
      dashed: !honest,
      points: swept
        .filter((point) => point.attack === attack)
        .map(({ value, mean, coverageRange, wrongfulRange }) => {
          const [low, high] = honest ? coverageRange : wrongfulRange
          const y = (honest ? mean.coverage : mean.wrongful) * PERCENT
          return { x: value!, y, range: [low * PERCENT, high * PERCENT] as const }
        })
    }
  })
  return linePlot({
    title: `Nodes that ban, by ${SWEEP_TITLES[sweep]}: mean and range, rule ${swept[0]!.rule}`,
    x: SWEEP_TITLES[sweep],
    y: '%',
    top: PERCENT,
    series,
    logarithmic: sweep === 'nodes'
  })
}

/** What a report costs, in the first attack under the first rule. */
function costPlot(sweep: Sweep, swept: readonly Point[]): string {
  const own = swept.filter(({ attack, rule }) => attack === swept[0]!.attack && rule === swept[0]!.rule)
  const line = (name: string, valueOf: (mean: Measures) => number): Series => ({
    name,
    points: own.map(({ value, mean }) => ({ x: value!, y: valueOf(mean) }))
  })
  const series = [
    line('messages', ({ messages }) => messages),
    line('kB', ({ bytes }) => bytes / 1000),
    line('signature checks', ({ signatureChecks }) => signatureChecks),
    line('relays', ({ relays }) => relays)
  ]
  const most = Math.max(...series.flatMap(({ points }) => points.map(({ y }) => y)))
  return linePlot({
    title: `Cost per report and node, by ${SWEEP_TITLES[sweep]}`,
    x: SWEEP_TITLES[sweep],
    y: '',
    top: roundUp(most),
    series,
    logarithmic: sweep === 'nodes'
  })
}

/** To 1, 2, 4, 6, 8 or 10 times a power of ten, whose quarters are short numbers. */
function roundUp(value: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1)))
  return power * [1, 2, 4, 6, 8, 10].find((factor) => factor * power >= value)!
}
