/** `npm run bench [-- NAME...] [--json]`: every bench, or those named. Figures are printed beside their yardsticks. */
import { printLine, type Line } from './report.ts'
import { benchHandoff } from './handoff.ts'
import { benchSync } from './sync.ts'

const BENCHES: Readonly<Record<string, () => AsyncGenerator<Line>>> = { handoff: benchHandoff, sync: benchSync }

const args = process.argv.slice(2)
const json = args.includes('--json')
const named = args.filter((arg) => !arg.startsWith('--'))
const unknown = named.filter((name) => !(name in BENCHES))
if (unknown.length > 0) {
  console.error(`there is no bench ${unknown.join(', ')}; there are: ${Object.keys(BENCHES).join(', ')}`)
  process.exit(2)
}

const lines: Line[] = []
for (const name of named.length > 0 ? named : Object.keys(BENCHES)) {
  for await (const line of BENCHES[name]!()) {
    lines.push(line)
    if (!json) printLine(line)
  }
}
if (json) console.log(JSON.stringify(lines, null, 2))
