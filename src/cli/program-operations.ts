/** The commands of an operator's day: hand-offs, allowlist, watching, importing, looking for what is wrong. */
import { Argument, type Command } from 'commander'
import type { Work } from './program.ts'

export function addOperations(program: Command, work: (command: Work) => Promise<void>): void {
  addAllow(program, work)
  const handoffs = () => import('./commands/handoffs.ts')
  program
    .command('pause')
    .description('hand nothing new over; what is banned stays until its end')
    .action(() => work(async (context) => (await handoffs()).pause(context)))
  program
    .command('resume')
    .description('hand over again, also what was flushed')
    .action(() => work(async (context) => (await handoffs()).resume(context)))
  program
    .command('flush')
    .description('take back all bans of the mesh, and only those')
    .action(() => work(async (context) => (await handoffs()).flush(context)))
  program
    .command('watch')
    .description('what happens, a line each, until Ctrl-C')
    .action(() => work(async (context) => (await import('./commands/watch.ts')).watch(context)))
  addImport(program, work)
  program
    .command('doctor')
    .description('look for what is wrong, and say what mends it')
    .option('--root <dir>', 'look for the files of fail2ban and logrotate below this folder', '/')
    .action((options: { root: string }) =>
      work(async (context) => (await import('./commands/doctor.ts')).doctor(context, options))
    )
}

/** What a package puts into place when it is built; `install` writes the same. */
export function addTexts(program: Command, work: (command: Work) => Promise<void>): void {
  const load = () => import('./commands/texts.ts')
  program
    .command('completion')
    .description('print shell completion; install writes it')
    .addArgument(new Argument('<shell>', 'which').choices(['bash', 'zsh', 'fish']))
    .action((shell: 'bash' | 'zsh' | 'fish') => work(async () => (await load()).completion(shell)))
  program
    .command('manual')
    .description('print the manual page for man; install writes it')
    .action(() => work(async () => (await load()).manual()))
}

function addAllow(program: Command, work: (command: Work) => Promise<void>): void {
  const allow = program.command('allow').description('what is never banned here')
  const load = () => import('./commands/allow.ts')
  allow
    .command('add')
    .description('never ban it; a ban that is there ends')
    .argument('<entry>', 'an address, a CIDR or a host name')
    .action((entry: string) => work(async (context) => (await load()).allowAdd(context, entry)))
  allow
    .command('remove')
    .description('let it be banned again')
    .argument('<entry>', 'as banmesh allow list shows it')
    .action((entry: string) => work(async (context) => (await load()).allowRemove(context, entry)))
  allow
    .command('list')
    .description('the allowlist, as in the config')
    .action(() => work(async (context) => (await load()).allowList(context)))
}

function addImport(program: Command, work: (command: Work) => Promise<void>): void {
  const group = program.command('import').description('take over what other tools know')
  const load = () => import('./commands/import.ts')
  group
    .command('fail2ban-p2p')
    .description('list the friends of a fail2ban-p2p node, and what is missing to add them')
    .argument('<dir>', 'its folder friends, or the one above')
    .action((dir: string) => work(async (context) => (await load()).importFriends(context, dir)))
  group
    .command('banlist')
    .description('ban the addresses of a list, as own bans that friends hear of')
    .argument('<file>', 'plain, CSV, or the output of fail2ban-client get JAIL banip [--with-time]; - is stdin')
    .option('--jail <jail>', 'as seen by this jail (default: import)')
    .option('--ttl <duration>', 'for lines without an end: 90, 90s, 10m, 12h or 7d (default: policy.maxBanTime)')
    .action((file: string, options: { jail?: string; ttl?: string }) =>
      work(async (context) => (await load()).importBanlist(context, file, options))
    )
}
