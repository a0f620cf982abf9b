/** Small plots as SVG text: lines over numbers, and bars by name. No fonts, scripts or styles from elsewhere. */

export interface Series {
  readonly name: string
  readonly points: readonly (readonly [x: number, y: number])[]
  readonly dashed?: boolean
}

export interface LinePlot {
  readonly title: string
  readonly x: string
  readonly y: string
  /** The highest y; the lowest is 0. */
  readonly top: number
  readonly series: readonly Series[]
}

export interface BarPlot {
  readonly title: string
  readonly y: string
  readonly top: number
  readonly groups: readonly string[]
  readonly series: readonly { readonly name: string; readonly values: readonly number[] }[]
}

const WIDTH = 720
const HEIGHT = 360
const LEFT = 56
const RIGHT = 16
const TOP = 64
const BOTTOM = 48
const INNER_WIDTH = WIDTH - LEFT - RIGHT
const INNER_HEIGHT = HEIGHT - TOP - BOTTOM
/** Okabe and Ito's colours, which also the colour-blind can tell apart. */
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#000000']

export function linePlot({ title, x, y, top, series }: LinePlot): string {
  const xs = [...new Set(series.flatMap(({ points }) => points.map(([at]) => at)))].sort((a, b) => a - b)
  const low = xs[0] ?? 0
  const high = xs.at(-1) ?? 1
  const across = (at: number) => LEFT + (high === low ? INNER_WIDTH / 2 : ((at - low) / (high - low)) * INNER_WIDTH)
  const ticks = thinned(xs, across)
  return page(title, y, top, [
    ...ticks.map((at) => text(across(at), HEIGHT - BOTTOM + 16, 'middle', String(at))),
    text(LEFT + INNER_WIDTH / 2, HEIGHT - 10, 'middle', x),
    ...legend(series.map(({ name }) => name)),
    ...series.map(({ points, dashed }, i) => {
      const path = points.map(([at, value]) => `${round(across(at))},${round(up(value, top))}`).join(' ')
      const dash = dashed === true ? ' stroke-dasharray="6 4"' : ''
      return `<polyline fill="none" stroke="${colour(i)}" stroke-width="2"${dash} points="${path}"/>`
    })
  ])
}

export function barPlot({ title, y, top, groups, series }: BarPlot): string {
  const group = INNER_WIDTH / Math.max(1, groups.length)
  const bar = (group * 0.8) / Math.max(1, series.length)
  return page(title, y, top, [
    ...groups.map((name, g) => text(LEFT + group * (g + 0.5), HEIGHT - BOTTOM + 16, 'middle', name, 10)),
    ...legend(series.map(({ name }) => name)),
    ...series.flatMap(({ values }, i) =>
      values.map((value, g) => {
        const at = LEFT + group * (g + 0.1) + bar * i
        const from = up(value, top)
        const size = `width="${round(bar)}" height="${round(HEIGHT - BOTTOM - from)}"`
        return `<rect x="${round(at)}" y="${round(from)}" ${size} fill="${colour(i)}"/>`
      })
    )
  ])
}

function page(title: string, y: string, top: number, content: readonly string[]): string {
  const lines = [0, 0.25, 0.5, 0.75, 1].flatMap((share) => {
    const at = round(up(share * top, top))
    return [
      `<line x1="${LEFT}" y1="${at}" x2="${WIDTH - RIGHT}" y2="${at}" stroke="#ddd"/>`,
      text(LEFT - 6, at + 4, 'end', String(round(share * top)))
    ]
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif">`,
    `<title>${escape(title)}</title>`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    text(LEFT, 20, 'start', title, 14),
    text(LEFT, TOP - 8, 'end', y),
    ...lines,
    ...content,
    '</svg>',
    ''
  ].join('\n')
}

function legend(names: readonly string[]): string[] {
  const width = INNER_WIDTH / Math.max(1, names.length)
  return names.flatMap((name, i) => [
    `<rect x="${round(LEFT + width * i)}" y="30" width="10" height="10" fill="${colour(i)}"/>`,
    text(LEFT + width * i + 14, 39, 'start', name)
  ])
}

function text(x: number, y: number, anchor: 'start' | 'middle' | 'end', content: string, size = 11): string {
  return `<text x="${round(x)}" y="${round(y)}" font-size="${size}" text-anchor="${anchor}">${escape(content)}</text>`
}

/** Those that leave room for their numbers. */
function thinned(xs: readonly number[], across: (x: number) => number): number[] {
  const kept: number[] = []
  for (const x of xs) if (kept.length === 0 || across(x) - across(kept.at(-1)!) >= 28) kept.push(x)
  return kept
}

function up(value: number, top: number): number {
  return HEIGHT - BOTTOM - (Math.max(0, Math.min(top, value)) / top) * INNER_HEIGHT
}

function colour(index: number): string {
  return COLOURS[index % COLOURS.length]!
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}

function escape(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
