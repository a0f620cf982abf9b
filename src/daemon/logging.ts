/** The daemon's log: pino's JSON lines on stdout; on a terminal, lines for people. */
import pino, { type DestinationStream, type Logger } from 'pino'

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent'

export interface LogOutput {
  readonly isTTY?: boolean
  write(text: string): unknown
}

export function createLogger(level: LogLevel, output: LogOutput = process.stdout): Logger {
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    serializers: { error: pino.stdSerializers.err }
  }
  if (output.isTTY === true) return pino(options, { write: (line) => void output.write(prettyLine(line)) })
  return output === process.stdout ? pino(options) : pino(options, output as DestinationStream)
}

const NAMES: Readonly<Record<number, string>> = {
  10: 'trace',
  20: 'debug',
  30: 'info',
  40: 'WARN',
  50: 'ERROR',
  60: 'FATAL'
}
const RED = '\u001b[31m'
const YELLOW = '\u001b[33m'
const PLAIN = '\u001b[0m'

/** `18:00:00  info   friend connected  name=alice`, from one of pino's lines. Control characters stay escaped. */
export function prettyLine(line: string): string {
  const { level, time, msg, ...detail } = JSON.parse(line) as { level: number; time: string; msg?: string }
  const colour = level >= 50 ? RED : level >= 40 ? YELLOW : ''
  const clock = new Date(time).toTimeString().slice(0, 8)
  const details = Object.entries(detail).map(([key, value]) => `${key}=${readable(value)}`)
  const text = [clock, ` ${(NAMES[level] ?? String(level)).padEnd(5)} `, printable(msg ?? ''), ...details].join(' ')
  return colour === '' ? `${text}\n` : `${colour}${text}${PLAIN}\n`
}

function readable(value: unknown): string {
  const text = typeof value === 'string' && /^[\w.:/@-]+$/.test(value) ? value : JSON.stringify(value)
  return printable(text)
}

/** Without characters that could move the cursor or turn the line around. */
function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '?')
}
