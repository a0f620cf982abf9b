/** What `doctor` finds: one thing each, and what mends it. */

export type CheckState = 'ok' | 'warning' | 'problem'

export interface Check {
  /** What was looked at, a word. */
  readonly name: string
  readonly state: CheckState
  readonly message: string
  /** What mends it, for people; with a warning or a problem only. */
  readonly fix?: string
  /** The same as a command for a shell, where one will do. */
  readonly run?: string
}

export function fine(name: string, message: string): Check {
  return { name, state: 'ok', message }
}

export function warning(name: string, message: string, fix: string, run?: string): Check {
  return { name, state: 'warning', message, fix, ...(run === undefined ? {} : { run }) }
}

export function problem(name: string, message: string, fix: string, run?: string): Check {
  return { name, state: 'problem', message, fix, ...(run === undefined ? {} : { run }) }
}

/** For a shell. */
export function quoted(text: string): string {
  return /^[A-Za-z0-9_./:=@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
}
