/**
 * Small plots as SVG text: lines over numbers, and bars by name. No fonts, scripts or styles from elsewhere. They bring
 * their own white background, for pages in the dark; lines differ by their marks too, not by colour alone.
 */

export interface LinePoint {
  readonly x: number
  readonly y: number
  /** The lowest and the highest of what `y` is the mean of: drawn as a band. */
  readonly range?: readonly [number, number]
}

export interface Series {
  readonly name: string
  readonly points: readonly LinePoint[]
  readonly dashed?: boolean
}

export interface LinePlot {
  readonly title: string
  readonly x: string
  readonly y: string
  /** The highest y; the lowest is 0. */
  readonly top: number
  readonly series: readonly Series[]
  /** Equal steps of x are equal factors. */
  readonly logarithmic?: boolean
}

export interface BarPlot {
  readonly title: string
  readonly y: string
  readonly top: number
  readonly groups: readonly string[]
  readonly series: readonly { readonly name: string; readonly values: readonly number[] }[]
}

const WIDTH = 720
const HEIGHT = 380
const LEFT = 56
const RIGHT = 24
const TOP = 84
const BOTTOM = 48
const INNER_WIDTH = WIDTH - LEFT - RIGHT
const INNER_HEIGHT = HEIGHT - TOP - BOTTOM
/** Okabe and Ito's colours, which also the colour-blind can tell apart. */
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#000000']
/** About, of a letter of the legend. */
const LETTER_WIDTH = 6.2
const LEGEND_LINE = 16

export function linePlot({ title, x, y, top, series, logarithmic }: LinePlot): string {
  const xs = [...new Set(series.flatMap(({ points }) => points.map((point) => point.x)))].sort((a, b) => a - b)
  const place = (at: number) => (logarithmic === true ? Math.log(at) : at)
  const low = place(xs[0] ?? 0)
  const span = place(xs.at(-1) ?? 1) - low
  const across = (at: number) => LEFT + (span === 0 ? INNER_WIDTH / 2 : ((place(at) - low) / span) * INNER_WIDTH)
  const dot = (at: number, value: number) => `${round(across(at))},${round(up(value, top))}`
  const names = series.map(({ name }) => name)
  const sample = (i: number, at: number, line: number) => [
    `<line ${stroke(i, series[i]!.dashed)} x1="${round(at)}" y1="${line}" x2="${round(at + 22)}" y2="${line}"/>`,
    mark(i, at + 11, line)
  ]
  return page({ title, y, top, names, sample }, [
    ...thinned(xs, across).map((at) => text(across(at), HEIGHT - BOTTOM + 16, 'middle', at.toLocaleString('en'))),
    text(LEFT + INNER_WIDTH / 2, HEIGHT - 10, 'middle', x),
    ...series.flatMap(({ points }, i) => band(points, colour(i), dot)),
    ...series.flatMap(({ points, dashed }, i) => [
      `<polyline ${stroke(i, dashed)} points="${points.map((point) => dot(point.x, point.y)).join(' ')}"/>`,
      ...points.map((point) => mark(i, across(point.x), up(point.y, top)))
    ])
  ])
}

export function barPlot({ title, y, top, groups, series }: BarPlot): string {
  const group = INNER_WIDTH / Math.max(1, groups.length)
  const bar = (group * 0.8) / Math.max(1, series.length)
  const names = series.map(({ name }) => name)
  const sample = (i: number, at: number, line: number) => [
    `<rect x="${round(at)}" y="${line - 5}" width="22" height="10" fill="${colour(i)}"/>`
  ]
  return page({ title, y, top, names, sample }, [
    ...groups.map((name, g) => text(LEFT + group * (g + 0.5), HEIGHT - BOTTOM + 16, 'middle', name)),
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

interface Frame {
  readonly title: string
  readonly y: string
  readonly top: number
  /** Of the legend. */
  readonly names: readonly string[]
  /** How one of them is drawn, beside its name. */
  readonly sample: (index: number, x: number, y: number) => readonly string[]
}

function page({ title, y, top, names, sample }: Frame, content: readonly string[]): string {
  const lines = [0, 0.25, 0.5, 0.75, 1].flatMap((share) => {
    const at = round(up(share * top, top))
    return [
      `<line x1="${LEFT}" y1="${at}" x2="${WIDTH - RIGHT}" y2="${at}" stroke="#ddd"/>`,
      text(LEFT - 6, at + 4, 'end', (share * top).toLocaleString('en'))
    ]
  })
  const { places, above } = layLegend(names)
  const box = `0 ${-above} ${WIDTH} ${HEIGHT + above}`
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="${box}" font-family="sans-serif" fill="#222">`,
    `<title>${escape(title)}</title>`,
    `<rect y="${-above}" width="${WIDTH}" height="${HEIGHT + above}" rx="6" fill="#fff"/>`,
    text(LEFT, 22 - above, 'start', title, 14),
    text(LEFT - 6, TOP - 12, 'end', y),
    ...lines,
    ...content,
    ...places.flatMap((place, i) => {
      const line = 40 - above + place.y
      return [...sample(i, place.x, line), text(place.x + 28, line + 4, 'start', names[i]!)]
    }),
    '</svg>',
    ''
  ].join('\n')
}

/** From the lowest to the highest, where they differ. */
function band(points: readonly LinePoint[], fill: string, dot: (x: number, y: number) => string): string[] {
  if (!points.some(({ range }) => range !== undefined && range[1] > range[0])) return []
  const highs = points.map(({ x, y, range }) => dot(x, range?.[1] ?? y))
  const lows = points.map(({ x, y, range }) => dot(x, range?.[0] ?? y))
  return [`<polygon fill="${fill}" fill-opacity="0.13" points="${[...highs, ...lows.toReversed()].join(' ')}"/>`]
}

/** Names in as many lines as they need. What they need above the usual two goes to the top of the page. */
function layLegend(names: readonly string[]): { places: readonly { x: number; y: number }[]; above: number } {
  let x = LEFT
  let line = 0
  const places = names.map((name) => {
    const width = 28 + name.length * LETTER_WIDTH
    if (x > LEFT && x + width > WIDTH - RIGHT) [x, line] = [LEFT, line + 1]
    const place = { x, y: line * LEGEND_LINE }
    x += width + 14
    return place
  })
  return { places, above: Math.max(0, line - 1) * LEGEND_LINE }
}

function stroke(index: number, dashed: boolean | undefined): string {
  return `fill="none" stroke="${colour(index)}" stroke-width="2"${dashed === true ? ' stroke-dasharray="6 4"' : ''}`
}

/** A circle, a square, a triangle, a diamond, in turn. */
function mark(index: number, x: number, y: number): string {
  const [cx, cy] = [round(x), round(y)]
  const shape = [
    `<circle cx="${cx}" cy="${cy}" r="3.5"`,
    `<path d="M${cx} ${cy}m-3.2 -3.2h6.4v6.4h-6.4z"`,
    `<path d="M${cx} ${cy}m0 -4.2l4 7h-8z"`,
    `<path d="M${cx} ${cy}m0 -4.4l4.4 4.4l-4.4 4.4l-4.4 -4.4z"`
  ][index % 4]!
  return `${shape} fill="${colour(index)}"/>`
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
