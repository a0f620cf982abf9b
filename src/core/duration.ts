/** Durations as people write them, `90`, `90s`, `10m`, `12h`, `7d`, and as banmesh keeps them: whole seconds. */
import { ok, refuse, type Result } from './result.ts'

const UNIT_SECONDS = { s: 1, m: 60, h: 3600, d: 86_400 } as const

type Unit = keyof typeof UNIT_SECONDS

/** Ten digits of days are still an exact integer of seconds. */
const DURATION = /^(0|[1-9]\d{0,9})([smhd]?)$/

/** Seconds; a number without a unit is in seconds. */
export function parseDuration(text: string): Result<number, 'junk-duration'> {
  const match = DURATION.exec(text)
  return match === null ? refuse('junk-duration') : ok(Number(match[1]) * UNIT_SECONDS[(match[2] || 's') as Unit])
}

/** The shortest text that `parseDuration` reads as the same number of whole seconds. */
export function formatDuration(seconds: number): string {
  const units = Object.keys(UNIT_SECONDS) as Unit[]
  const unit = units.findLast((candidate) => seconds % UNIT_SECONDS[candidate] === 0)!
  return seconds === 0 ? '0s' : `${seconds / UNIT_SECONDS[unit]}${unit}`
}
