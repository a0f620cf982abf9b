/** `simulate` as commander knows it. */
import type { Command } from 'commander'
import type { SimulateOptions } from './commands/simulate.ts'
import type { Work } from './program.ts'

const OPTIONS = [
  ['--shape <shape>', 'small-world, scale-free or communities', 'small-world'],
  ['--graph <file>', 'friendships from a file: two names a line'],
  ['--nodes <n>', 'servers', '1000'],
  ['--friends <n>', 'of each, on average', '8'],
  ['--trust <percent>', 'in every friend', '80'],
  ['--trust-spread <percent>', 'by which trusts differ up or down', '0'],
  ['--threshold <percent>', 'that a ban needs', '80'],
  ['--quorum <n>', 'friends that a ban needs', '1'],
  ['--max-hops <n>', 'that a report may have', '6'],
  ['--relay-floor <percent>', 'confidence below which nothing is passed on', '5'],
  ['--sightings <n>', 'honest nodes that see the attacker', '10'],
  ['--colluders <n>', 'nodes that lie together', '5'],
  ['--identities <n>', 'that one attacker invents', '12'],
  ['--runs <n>', 'with different seeds, for the table; 0: sweeps only', '10'],
  ['--sweep-runs <n>', 'for each point of a sweep', '5'],
  ['--seed <n>', 'the same seed gives the same results', '1'],
  ['--workers <n>', 'threads (default: one for each core)'],
  ['--csv <file>', 'write all means and ranges as CSV'],
  ['--svg <dir>', 'write plots']
] as const

const LISTS = [
  ['--attack <name...>', 'only these (none, liar, colluders, sybil-1, sybil-3, slander, hub, flood, replay...)'],
  ['--rule <name...>', 'only these (flow, sum, f2b-p2p, any, majority)'],
  ['--sweep <name...>', 'vary friends, trust, threshold, quorum, maxHops, sightings, colluders, nodes, or all']
] as const

export function addSimulate(program: Command, work: (command: Work) => Promise<void>): void {
  const command = program.command('simulate').description('what the trust rule does in large meshes under attack')
  for (const [flags, text, usual] of OPTIONS) {
    command.option(flags, usual === undefined ? text : `${text} (default: ${usual})`)
  }
  for (const [flags, text] of LISTS) command.option(flags, text)
  command.action((options: SimulateOptions) =>
    work(async (context) => (await import('./commands/simulate.ts')).simulate(context, options))
  )
}
