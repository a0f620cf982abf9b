/** How long to wait before trying again: longer each time, up to minutes, and never everybody at the same moment. */

/** The longest first wait; each further attempt doubles it. */
const FIRST_MS = 1000

/** However often it failed, a friend that is back is found within this time. */
const LONGEST_MS = 5 * 60 * 1000

/**
 * Milliseconds to wait after so many failed attempts in a row (0: the first one failed). `random` is in [0, 1) and
 * places the wait between half and all of the time that the attempt allows.
 */
export function delayMs(attempt: number, random: number): number {
  const allowed = Math.min(LONGEST_MS, FIRST_MS * 2 ** attempt)
  return Math.round((allowed * (1 + random)) / 2)
}
