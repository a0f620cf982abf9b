/** Bans and holds over time, by uPlot: as far back as the daemon remembers, at most a day. */
import { Component, createRef, h, type ComponentChild } from 'preact'
import uPlot from 'uplot'
import type { HistoryPoint } from '../api.ts'
import type { Props } from './app.ts'
import { count } from './format.ts'

const HEIGHT = 190
/** What the chart spans at least, however short the memory is. */
const LEAST_SECONDS = 600

/** uPlot draws on a canvas of its own, so this part of the page has a life. */
export class ChartPanel extends Component<Props> {
  private readonly place = createRef<HTMLDivElement>()
  private chart: uPlot | null = null
  private readonly resized = new ResizeObserver(() => this.fit())
  private readonly scheme = matchMedia('(prefers-color-scheme: dark)')
  private readonly recolour = (): void => this.chart?.redraw()

  override componentDidMount(): void {
    this.chart = new uPlot(optionsFor(this.width()), dataOf(this.props), this.place.current!)
    this.resized.observe(this.place.current!)
    this.scheme.addEventListener('change', this.recolour)
  }

  override componentDidUpdate(): void {
    this.chart?.setData(dataOf(this.props))
  }

  override componentWillUnmount(): void {
    this.resized.disconnect()
    this.scheme.removeEventListener('change', this.recolour)
    this.chart?.destroy()
  }

  private width(): number {
    return Math.max(200, this.place.current!.clientWidth)
  }

  private fit(): void {
    this.chart?.setSize({ width: this.width(), height: HEIGHT })
  }

  override render({ state }: Props): ComponentChild {
    const points = pointsOf(state)
    const last = points.at(-1)
    const most = Math.max(0, ...points.map(({ accepted }) => accepted))
    return h(
      'section',
      { class: 'panel', 'aria-labelledby': 'chart-title' },
      h(
        'div',
        { class: 'panel-head' },
        h('h2', { id: 'chart-title' }, 'Over time'),
        h('span', { class: 'legend bad' }, 'banned'),
        h('span', { class: 'legend held' }, 'held')
      ),
      h('div', {
        class: 'chart',
        ref: this.place,
        role: 'img',
        'aria-label':
          last === undefined
            ? 'Nothing yet'
            : `Now ${count(last.accepted)} banned and ${count(last.held)} held; at most ${count(most)} banned`
      })
    )
  }
}

/** The remembered points, and the present. */
function pointsOf({ history, overview, now }: Props['state']): readonly HistoryPoint[] {
  return overview === null ? history : [...history, { at: now, ...overview.status.verdicts }]
}

function dataOf({ state }: Props): uPlot.AlignedData {
  const points = pointsOf(state)
  return [points.map(({ at }) => at / 1000), points.map(({ accepted }) => accepted), points.map(({ held }) => held)]
}

/** The time of day, hours and minutes. */
function clock(seconds: number): string {
  return new Date(seconds * 1000).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' })
}

/** As the style sheet has it now: light or dark. */
function colour(name: string): () => string {
  return () => {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim()
  }
}

function optionsFor(width: number): uPlot.Options {
  const axis: uPlot.Axis = {
    stroke: colour('--chart-text'),
    grid: { stroke: colour('--chart-grid'), width: 1 },
    ticks: { show: false },
    font: '11px system-ui, sans-serif'
  }
  const whole = {
    incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000, 500_000]
  }
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    cursor: { y: false },
    scales: {
      x: { range: (_chart, min, max) => [Math.min(min, max - LEAST_SECONDS), max] },
      y: { range: (_chart, _min, max) => [0, Math.max(4, Math.ceil((max ?? 0) * 1.15))] }
    },
    axes: [
      { ...axis, space: 64, values: (_chart, times) => times.map(clock) },
      { ...axis, ...whole, size: 44 }
    ],
    series: [
      {},
      {
        label: 'banned',
        stroke: colour('--chart-bad'),
        fill: colour('--chart-bad-fill'),
        width: 2,
        points: { show: false }
      },
      { label: 'held', stroke: colour('--chart-held'), width: 2, dash: [5, 4], points: { show: false } }
    ]
  }
}
