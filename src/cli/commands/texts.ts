/** `completion` and `manual`: texts made from the program itself. */
import { bashCompletion, fishCompletion, zshCompletion } from '../completion.ts'
import { manualPage } from '../manual.ts'
import { done, type Outcome } from '../outcome.ts'
import { describeProgram } from '../syntax.ts'

const COMPLETIONS = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion } as const

export async function completion(shell: keyof typeof COMPLETIONS): Promise<Outcome> {
  const text = COMPLETIONS[shell](await describeProgram())
  return done({ shell, text }, text.trimEnd())
}

export async function manual(): Promise<Outcome> {
  const text = manualPage(await describeProgram())
  return done({ text }, text.trimEnd())
}
