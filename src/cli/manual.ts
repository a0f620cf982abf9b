/** The manual page banmesh(1), in man(7)'s macros, made from the program so that it can't get out of date. */
import { NEEDS_RESTART } from '../daemon/needs-restart.ts'
import type { CommandSyntax, OptionSyntax, Syntax } from './syntax.ts'

const EXITS = [
  ['0', 'done; for check: banned here; for doctor: no problem'],
  ['1', 'failed; for check: not banned here; for doctor: there is a problem'],
  ['2', 'wrong usage or config'],
  ['3', 'the daemon is not reachable'],
  ['4', 'refused by policy']
] as const

const FILES = [
  ['/etc/banmesh/banmesh.yaml', 'the config, unless --config, $BANMESH_CONFIG or ./banmesh.yaml is there'],
  ['/var/lib/banmesh/', 'the key (identity.key), the ledger, the spool for fail2ban’s events'],
  ['/run/banmesh/control.sock', 'the socket of the other commands; who may use it may ban'],
  ['/var/log/banmesh/bans.log', 'the log that fail2ban watches'],
  ['/var/log/banmesh/audit.log', 'what changed the firewall, who said so, by which way, and what it weighed']
] as const

const SIGNALS = [
  ['SIGTERM, SIGINT', 'stop cleanly'],
  [
    'SIGHUP',
    `read the config again. A bad file keeps the old one, and the log says why. These wait for a restart: ${NEEDS_RESTART.join(', ')}. Everything else takes effect at once. Jails that policy.jails names besides are filled from then on.`
  ],
  ['SIGUSR2', 'open the log files anew; it is not needed, for the daemon sees by itself that a file is another one']
] as const

export function manualPage(syntax: Syntax): string {
  const [program, ...commands] = syntax.commands
  return `${[
    `.TH BANMESH 1 "" "banmesh ${escaped(syntax.version)}" "User Commands"`,
    '.SH NAME',
    `banmesh \\- ${escaped(program!.description)}`,
    '.SH SYNOPSIS',
    '.B banmesh',
    '[\\fB\\-\\-config\\fR \\fIfile\\fR] [\\fB\\-\\-json\\fR] \\fIcommand\\fR ...',
    '.SH DESCRIPTION',
    'Every operator picks friends by peer ID. A ban that fail2ban makes here is told to them, and they tell theirs; each hop',
    'weakens it. What convinces this node is handed to its own fail2ban or firewall. There is no central server.',
    '.SH OPTIONS',
    ...syntax.global.flatMap(optionLines),
    '.SH COMMANDS',
    ...commands.flatMap(commandLines),
    '.SH EXIT STATUS',
    ...EXITS.flatMap(([code, text]) => ['.TP', `.B ${code}`, escaped(text)]),
    '.SH FILES',
    ...FILES.flatMap(([path, text]) => ['.TP', `.I ${escaped(path)}`, escaped(text)]),
    '.SH SIGNALS',
    'To the daemon, \\fBbanmesh run\\fR:',
    ...SIGNALS.flatMap(([name, text]) => ['.TP', `.B ${name}`, escaped(text)]),
    '.SH SEE ALSO',
    '.BR fail2ban (1),',
    '.BR fail2ban-client (1)'
  ].join('\n')}\n`
}

function commandLines({ path, description, args, options }: CommandSyntax): string[] {
  const words = args.map(({ name }) => ` \\fI${escaped(name.replaceAll(/[<>]/g, ''))}\\fR`)
  const explained = args.filter((argument) => argument.description !== '')
  return [
    '.TP',
    `\\fB${escaped(path)}\\fR${words.join('')}`,
    `${escaped(description)}.`,
    ...(explained.length + options.length > 0 ? ['.RS'] : []),
    ...explained.flatMap((argument) => [
      '.TP',
      `\\fI${escaped(argument.name.replaceAll(/[<>]/g, ''))}\\fR`,
      escaped(argument.description)
    ]),
    ...options.flatMap(optionLines),
    ...(explained.length + options.length > 0 ? ['.RE'] : [])
  ]
}

function optionLines({ flags, description, choices }: OptionSyntax): string[] {
  const [words, value] = flags.split(/ (?=[<[])/)
  const shown = `\\fB${escaped(words!)}\\fR${value === undefined ? '' : ` \\fI${escaped(value.replaceAll(/[<>[\]]/g, ''))}\\fR`}`
  const allowed = choices.length === 0 ? '' : ` (${choices.join(', ')})`
  return ['.TP', shown, escaped(`${description}${allowed}`)]
}

/** For troff: backslashes, hyphens that a reader may copy, and a control character at the start of a line. */
function escaped(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll('’', '\\(cq')
    .replace(/^([.'])/, '\\&$1')
}
