/**
 * The command line, as commander knows it: names, arguments, help. What a command does is in commands/. Shell completion
 * and the manual page are made from this too, so that they can't differ.
 */
import { Argument, Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { NEEDS_RESTART } from '../daemon/needs-restart.ts'
import type { Context } from './context.ts'
import { failed, type Outcome } from './outcome.ts'
import { addOperations, addTexts } from './program-operations.ts'
import { addSimulate } from './program-simulate.ts'

const EXPORT_FORMATS = ['plain', 'json', 'csv', 'nft', 'ipset', 'hosts.deny'] as const
const SUBJECT = 'an IP address or CIDR'
const WHO = 'a peer ID, or the name in the config'

interface Output {
  write(text: string): unknown
}

/** Null where a command has printed all there is to print. */
export type Work = (context: Context) => Promise<Outcome | null>

/** Null where commander has said all there is to say: help and version. */
export async function runProgram(
  argv: readonly string[],
  outside: Omit<Context, 'configOption'>,
  out: Output,
  err: Output
): Promise<Outcome | null> {
  const { version } = await import('../daemon/version.ts')
  let outcome: Outcome | null = null
  const program = buildProgram(version, async (command) => {
    const { config } = program.opts<{ config?: string }>()
    outcome = await command({ ...outside, configOption: config })
  })
  program.exitOverride().configureOutput({
    writeOut: (text) => out.write(outside.json && text === `${version}\n` ? `"${version}"\n` : text),
    writeErr: (text) => err.write(text),
    outputError: () => undefined
  })
  for (const command of allCommands(program)) command.copyInheritedSettings(command.parent ?? command)
  try {
    await program.parseAsync(argv, { from: 'user' })
  } catch (error) {
    if (error instanceof CommanderError) return usage(error)
    throw error
  }
  return outcome
}

/** `work` carries a command out. */
export function buildProgram(version: string, work: (command: Work) => Promise<void>): Command {
  const program = new Command('banmesh')
    .description('servers that run fail2ban warn each other')
    .option('--config <file>', 'default: $BANMESH_CONFIG, ./banmesh.yaml, /etc/banmesh/banmesh.yaml')
    .option('--json', 'print one JSON document')
    .version(version)
    .configureHelp({ showGlobalOptions: true })
  addNode(program, work)
  addFriend(program, work)
  addSubjects(program, work)
  addOperations(program, work)
  addFail2ban(program, work)
  addSimulate(program, work)
  addTexts(program, work)
  return program
}

/** Parents before their children. */
function* allCommands(command: Command): Generator<Command> {
  for (const child of command.commands) {
    yield child
    yield* allCommands(child)
  }
}

function addNode(program: Command, work: (command: Work) => Promise<void>): void {
  program
    .command('init')
    .description('write a commented config and a new key')
    .option('--dir <dir>', 'where to', '.')
    .action((options: { dir: string }) =>
      work(async (context) => (await import('./commands/init.ts')).init(context, options))
    )
  program
    .command('run')
    .description('the daemon, in the foreground')
    .addHelpText(
      'after',
      `
Signals:
  SIGTERM, SIGINT  stop cleanly
  SIGHUP           read the config again. These wait for a restart:
                   ${NEEDS_RESTART.join(', ')}
  SIGUSR2          open the log files anew`
    )
    .action(() => work(async (context) => (await import('./commands/run.ts')).runForeground(context)))
  addIdentity(program, work)
  program
    .command('invite')
    .description('print one line for a friend to paste')
    .option('--qr', 'also as a QR code, which a terminal gets anyway')
    .action((options: { qr?: boolean }) =>
      work(async (context) => (await import('./commands/id.ts')).invite(context, options))
    )
  program
    .command('status')
    .description('how the daemon is')
    .action(() => work(async (context) => (await import('./commands/status.ts')).status(context)))
  program
    .command('demo')
    .description('a mesh of four nodes on this machine')
    .option('--keep', 'leave it up until Ctrl-C')
    .option('--fail2ban', 'hand over to real fail2ban servers')
    .action(({ keep = false, fail2ban = false }: { keep?: boolean; fail2ban?: boolean }) =>
      work(async (context) => (await import('./commands/demo.ts')).demo(context, { keep, fail2ban }))
    )
}

function addIdentity(program: Command, work: (command: Work) => Promise<void>): void {
  const id = program
    .command('id')
    .description("print this node's peer ID, addresses and fingerprint")
    .action(() => work(async (context) => (await import('./commands/id.ts')).id(context)))
  const load = () => import('./commands/identity.ts')
  id.command('rotate')
    .description('change the key; friends take the new peer ID over, for the old key signs it')
    .action(() => work(async (context) => (await load()).rotate(context)))
  id.command('export')
    .description('write key and config to a file, to move the node to another server')
    .argument('<file>', 'where to')
    .action((file: string) => work(async (context) => (await load()).exportIdentity(context, file)))
  id.command('import')
    .description('take over a node that was exported')
    .argument('<file>', 'what export wrote')
    .option('--dir <dir>', 'where to', '.')
    .action((file: string, options: { dir: string }) =>
      work(async (context) => (await load()).importIdentity(context, file, options))
    )
  id.command('network-key')
    .description('write a new key for a private network')
    .argument('<file>', 'where to')
    .action((file: string) => work(async (context) => (await load()).networkKey(context, file)))
}

function addFriend(program: Command, work: (command: Work) => Promise<void>): void {
  const friend = program.command('friend').description('whom this node listens to')
  const load = () => import('./commands/friends.ts')
  friend
    .command('add')
    .description('add a friend; both sides have to add each other')
    .argument('<peer>', 'PEER_ID, MULTIADDR with /p2p/PEER_ID, or INVITE')
    .option('--name <name>', 'what to call it')
    .option('--trust <percent>', 'from 0 to 100 (default: 80)', readPercent)
    .option('--observe', 'show what it says, act on nothing')
    .action((peer: string, options: { name?: string; trust?: number; observe?: boolean }) =>
      work(async (context) => (await load()).addFriend(context, peer, options))
    )
  friend
    .command('list')
    .description('friends, and how they are')
    .action(() => work(async (context) => (await load()).listFriends(context)))
  friend
    .command('remove')
    .description('take nothing from it any more')
    .argument('<who>', WHO)
    .action((who: string) => work(async (context) => (await load()).removeFriend(context, who)))
  friend
    .command('trust')
    .description('change how much its word weighs')
    .argument('<who>', WHO)
    .addArgument(new Argument('<percent>', 'from 0 to 100').argParser(readPercent))
    .action((who: string, trust: number) => work(async (context) => (await load()).trustFriend(context, who, trust)))
  friend
    .command('pause')
    .description('take nothing from it for now')
    .argument('<who>', WHO)
    .action((who: string) => work(async (context) => (await load()).pauseFriend(context, who, true)))
  friend
    .command('resume')
    .description('end a pause')
    .argument('<who>', WHO)
    .action((who: string) => work(async (context) => (await load()).pauseFriend(context, who, false)))
}

function addSubjects(program: Command, work: (command: Work) => Promise<void>): void {
  program
    .command('ban')
    .description('tell friends that you ban it')
    .argument('<subject>', SUBJECT)
    .option('--jail <jail>', 'as seen by this jail (default: manual)')
    .option('--ttl <duration>', '90, 90s, 10m, 12h or 7d (default: policy.maxBanTime)')
    .action((subject: string, options: { jail?: string; ttl?: string }) =>
      work(async (context) => (await import('./commands/bans.ts')).ban(context, subject, options))
    )
  program
    .command('unban')
    .description("lift your ban, and veto the mesh's")
    .argument('<subject>', SUBJECT)
    .option('--forget-veto', 'let the mesh ban it again')
    .action((subject: string, options: { forgetVeto?: boolean }) =>
      work(async (context) => (await import('./commands/bans.ts')).unban(context, subject, options))
    )
  program
    .command('list')
    .description('what is banned here')
    .option('--all', 'also what is held: reported, but not by enough trust')
    .action((options: { all?: boolean }) =>
      work(async (context) => (await import('./commands/verdicts.ts')).list(context, options))
    )
  program
    .command('why')
    .description('who says what about it, and what that weighs')
    .argument('<subject>', SUBJECT)
    .action((subject: string) =>
      work(async (context) => (await import('./commands/verdicts.ts')).why(context, subject))
    )
  program
    .command('check')
    .description('exit code 0 if it is banned here, 1 if not')
    .argument('<subject>', SUBJECT)
    .action((subject: string) =>
      work(async (context) => (await import('./commands/verdicts.ts')).check(context, subject))
    )
  program
    .command('export')
    .description('what is banned here, for other firewalls')
    .addOption(new Option('--format <format>', 'default: plain').choices(EXPORT_FORMATS))
    .action(({ format }: { format?: (typeof EXPORT_FORMATS)[number] }) =>
      work(async (context) => (await import('./commands/export.ts')).exportSubjects(context, format ?? null))
    )
}

function addFail2ban(program: Command, work: (command: Work) => Promise<void>): void {
  program
    .command('install')
    .description('write the files for fail2ban, systemd, logrotate, shell completion, man')
    .option('--root <dir>', 'below this folder', '/')
    .option('--print', 'only show them')
    .action((options: { root: string; print?: boolean }) =>
      work(async (context) => (await import('./commands/install.ts')).install(context, options))
    )
  // Only for the help: main.ts takes this command before commander is loaded.
  program.command('hook <event> [options...]').description("for fail2ban's action only")
}

function readPercent(text: string): number {
  if (!/^\d{1,3}(\.\d+)?$/.test(text) || Number(text) > 100) throw new InvalidArgumentError('It is percent: 0 to 100.')
  return Number(text)
}

/** Commander's words in our form. */
function usage({ code, exitCode, message }: CommanderError): Outcome | null {
  if (exitCode === 0) return null
  if (code === 'commander.help') return failed(2, 'usage', 'a command is missing')
  const [first = '', suggestion] = message.replace(/^error: /, '').split('\n')
  const hint = /^\((.*)\)$/.exec(suggestion ?? '')?.[1] ?? 'banmesh --help, or banmesh COMMAND --help'
  return failed(2, 'usage', first, hint)
}
