/** The program's commands, options and arguments as plain values: what shell completion and the manual are made from. */
import type { Argument, Command, Option } from 'commander'

export interface OptionSyntax {
  /** `--config <file>` */
  readonly flags: string
  /** `--config` */
  readonly long: string
  readonly takesValue: boolean
  readonly choices: readonly string[]
  readonly description: string
}

export interface ArgumentSyntax {
  readonly name: string
  readonly choices: readonly string[]
  readonly description: string
}

export interface CommandSyntax {
  /** `friend add`; empty for the program itself. */
  readonly path: string
  readonly description: string
  /** `<peer>`, `[options...]` */
  readonly args: readonly ArgumentSyntax[]
  readonly options: readonly OptionSyntax[]
  /** Their last words. */
  readonly children: readonly string[]
}

export interface Syntax {
  readonly version: string
  /** The program first, then every command in the order of the help, parents before children. */
  readonly commands: readonly CommandSyntax[]
  /** Options that stand anywhere. */
  readonly global: readonly OptionSyntax[]
}

export async function describeProgram(): Promise<Syntax> {
  const [{ buildProgram }, { version }] = await Promise.all([import('./program.ts'), import('../daemon/version.ts')])
  const program = buildProgram(version, async () => undefined)
  return { version, commands: [...walk(program, '')], global: optionsOf(program) }
}

function* walk(command: Command, path: string): Generator<CommandSyntax> {
  yield {
    path,
    description: command.description(),
    args: command.registeredArguments.map(describeArgument),
    options: path === '' ? [] : optionsOf(command),
    children: command.commands.map((child) => child.name())
  }
  for (const child of command.commands) yield* walk(child, `${path} ${child.name()}`.trim())
}

function describeArgument(argument: Argument): ArgumentSyntax {
  const name = argument.variadic ? `${argument.name()}...` : argument.name()
  return {
    name: argument.required ? `<${name}>` : `[${name}]`,
    choices: argument.argChoices ?? [],
    description: argument.description
  }
}

function optionsOf(command: Command): OptionSyntax[] {
  return command.options.map((option: Option) => ({
    flags: option.flags,
    long: option.long ?? option.flags,
    takesValue: option.required || option.optional,
    choices: option.argChoices ?? [],
    description: option.description
  }))
}
