/**
 * What a command came to. Commands return it and print nothing; one place writes it out, so that `--json` is one document
 * on stdout, whatever happens, and every error looks the same.
 */

/** 1 failed (for `check`: not banned); 2 wrong usage or config; 3 daemon not reachable; 4 refused by policy. */
export type FailureExit = 1 | 2 | 3 | 4

export interface Done {
  readonly ok: true
  /** For stdout with `--json`. */
  readonly json: unknown
  /** For stdout without; ends without a line break, and may be empty. */
  readonly text: string
  /** For stderr. */
  readonly notes?: readonly string[]
  readonly exit?: 0 | 1
}

export interface Failed {
  readonly ok: false
  readonly exit: FailureExit
  /** A word for programs. */
  readonly reason: string
  /** At least one. */
  readonly messages: readonly string[]
  readonly hint?: string
}

export type Outcome = Done | Failed

export function done(json: unknown, text: string, more: Pick<Done, 'notes' | 'exit'> = {}): Done {
  return { ok: true, json, text, ...more }
}

export function failed(exit: FailureExit, reason: string, message: string | readonly string[], hint?: string): Failed {
  const messages = typeof message === 'string' ? [message] : message
  return { ok: false, exit, reason, messages, ...(hint === undefined ? {} : { hint }) }
}
