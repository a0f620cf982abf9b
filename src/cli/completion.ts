/** Shell completion, made from the program: commands, options, and the words that an option takes. Files otherwise. */
import type { CommandSyntax, OptionSyntax, Syntax } from './syntax.ts'

/** `--help` is everywhere. */
const HELP = '--help'

function wordsOf({ children, args, options }: CommandSyntax, global: readonly OptionSyntax[]): string[] {
  const values = args.flatMap(({ choices }) => choices)
  return [...children, ...values, ...[...options, ...global].map(({ long }) => long), HELP]
}

/** `PATH:OPTION` and the words that it takes. */
function choicesOf({ commands }: Syntax): [string, readonly string[]][] {
  return commands.flatMap(({ path, options }) =>
    options.flatMap(({ long, choices }): [string, readonly string[]][] =>
      choices.length === 0 ? [] : [[`${path}:${long}`, choices]]
    )
  )
}

/** Options whose next word is a value, so that it is not taken for a command. */
function valueOptions({ commands, global }: Syntax): string[] {
  const all = [...global, ...commands.flatMap(({ options }) => options)]
  return [...new Set(all.filter(({ takesValue }) => takesValue).map(({ long }) => long))]
}

/** Finds out, in `where`, in which command we are: the same few lines for bash and zsh. */
function walkScript(syntax: Syntax): string[] {
  const known = syntax.commands.flatMap(({ path, children }) =>
    children.map((child) => `'${path} ${child}'`.replace("' ", "'"))
  )
  return [
    '  while [ "$i" -lt "$end" ]; do',
    '    case "$1" in',
    `      ${valueOptions(syntax).join('|')}) shift; i=$((i + 1)) ;;`,
    '      -*) ;;',
    '      *)',
    '        next="${where:+$where }$1"',
    `        case "$next" in ${known.join('|')}) where=$next ;; esac ;;`,
    '    esac',
    '    shift; i=$((i + 1))',
    '  done'
  ]
}

function wordsScript(syntax: Syntax): string[] {
  return [
    '  case "$where:$prev" in',
    ...choicesOf(syntax).map(([key, choices]) => `    '${key}') found='${choices.join(' ')}' ;;`),
    `    *:${valueOptions(syntax).join('|*:')}) found= ;;`,
    '    *) case "$where" in',
    ...syntax.commands.map(
      (command) => `      '${command.path}') found='${wordsOf(command, syntax.global).join(' ')}' ;;`
    ),
    '    esac ;;',
    '  esac'
  ]
}

export function bashCompletion(syntax: Syntax): string {
  return `${[
    '# bash completion for banmesh, made by banmesh install',
    '_banmesh() {',
    '  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} where= found= next i=1 end=$COMP_CWORD',
    '  set -- "${COMP_WORDS[@]:1}"',
    ...walkScript(syntax),
    ...wordsScript(syntax),
    '  COMPREPLY=($(compgen -W "$found" -- "$cur"))',
    '}',
    'complete -o default -F _banmesh banmesh'
  ].join('\n')}\n`
}

export function zshCompletion(syntax: Syntax): string {
  return `${[
    '#compdef banmesh',
    '# zsh completion for banmesh, made by banmesh install',
    '_banmesh() {',
    '  local choice',
    '  choice=$(_banmesh_words "${words[CURRENT-1]}" "$((CURRENT - 1))" "${words[@]:1}")',
    '  if [ -n "$choice" ]; then compadd -- ${=choice}; else _files; fi',
    '}',
    '_banmesh_words() {',
    '  local prev=$1 end=$2 where= found= next i=1',
    '  shift 2',
    ...walkScript(syntax),
    ...wordsScript(syntax),
    '  echo "$found"',
    '}',
    '_banmesh "$@"'
  ].join('\n')}\n`
}

export function fishCompletion(syntax: Syntax): string {
  const described = new Map(syntax.commands.map(({ path, description }) => [path, description]))
  const known = syntax.commands.map(({ path }) => path).filter((path) => path !== '')
  return `${[
    '# fish completion for banmesh, made by banmesh install',
    '# Whether the words so far name this command.',
    'function __banmesh_at',
    '  set -l where',
    '  set -l skip 0',
    '  for word in (commandline -opc)[2..]',
    '    if test $skip = 1',
    '      set skip 0',
    `    else if contains -- $word ${valueOptions(syntax).join(' ')}`,
    '      set skip 1',
    '    else if not string match -q -- "-*" $word',
    '      set -l next (string trim -- "$where $word")',
    `      contains -- $next ${known.map(quoted).join(' ')}; and set where $next`,
    '    end',
    '  end',
    '  test "$where" = "$argv[1]"',
    'end',
    'complete -c banmesh -f',
    ...syntax.commands.flatMap(({ path, children, args, options }) => {
      const at = ` -n ${quoted(`__banmesh_at "${path}"`)}`
      const values = args.flatMap(({ choices }) => choices)
      return [
        ...children.map(
          (child) => `complete -c banmesh${at} -a ${child} -d ${quoted(described.get(`${path} ${child}`.trim()) ?? '')}`
        ),
        ...(values.length > 0 ? [`complete -c banmesh${at} -a ${quoted(values.join(' '))}`] : []),
        ...(args.length > 0 && values.length === 0 ? [`complete -c banmesh${at} -F`] : []),
        ...options.map((option) => fishOption(option, at))
      ]
    }),
    ...syntax.global.map((option) => fishOption(option, ''))
  ].join('\n')}\n`
}

function fishOption({ long, takesValue, choices, description }: OptionSyntax, where: string): string {
  const value = choices.length > 0 ? ` -x -a '${choices.join(' ')}'` : takesValue ? ' -r -F' : ''
  return `complete -c banmesh${where} -l ${long.replace(/^--/, '')}${value} -d ${quoted(description)}`
}

function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}
