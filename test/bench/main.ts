/** `npm run bench [-- NAME...] [--json]`: every bench, or those named. Figures are printed beside their yardsticks. */
import { printLine, type Bench, type Line } from './report.ts'

/** Each is a file beside this one that exports `bench`. */
const NAMES = [
  'hop',
  'stream',
  'handoff',
  'firewall',
  'burst',
  'hook',
  'sync',
  'memory',
  'quota',
  'start',
  'fanout',
  'judge'
] as const

const args = process.argv.slice(2)
const json = args.includes('--json')
const named = args.filter((arg) => !arg.startsWith('--'))
const unknown = named.filter((name) => !NAMES.some((known) => known === name))
if (unknown.length > 0) {
  console.error(`there is no bench ${unknown.join(', ')}; there are: ${NAMES.join(', ')}`)
  process.exit(2)
}

const lines: Line[] = []
for (const name of named.length > 0 ? named : NAMES) {
  const { bench } = (await import(`./${name}.ts`)) as { bench: Bench }
  for await (const line of bench()) {
    lines.push(line)
    if (!json) printLine(line)
  }
}
if (json) console.log(JSON.stringify(lines, null, 2))
