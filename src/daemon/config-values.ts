/**
 * The single values of the config: each parser takes what YAML gave and answers with the value as the program wants it,
 * or with a sentence that says what it must be. The schema (config-schema.ts) puts them together.
 */
import { isIP } from 'node:net'
import { parseCidr, type Cidr } from '../core/cidr.ts'
import { formatDuration, parseDuration } from '../core/duration.ts'
import { JAIL_NAME, NETWORK_NAME, PROTOCOL_LIMITS } from '../core/limits.ts'
import { ONE, type PeerId, type Ppm } from '../core/report.ts'
import { checkCommand, EXEC_LIMITS, type CommandRefusal } from '../fail2ban/exec-command.ts'
import { parsePeerId } from '../wire/peer-id.ts'
import { isHostName, parseDialAddress, parseListenAddress, type DialAddress } from './multiaddrs.ts'

/** The value, or what is wrong with it: `must be …`. */
export type Parsed<T> = { readonly value: T } | { readonly wrong: string }

/** Characters of a friend's name. */
export const NAME_LENGTH = 64

/** Bytes of `sun_path` without its final zero: the longest name that the kernel takes for a unix socket. */
export const SOCKET_PATH_BYTES = 107

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const

export interface SocketAddress {
  readonly host: string
  readonly port: number
}

/** An address range, or a host name that is looked up again and again. */
export type Allowed = { readonly cidr: Cidr } | { readonly host: string }

export function parseFlag(value: unknown): Parsed<boolean> {
  return typeof value === 'boolean' ? { value } : wrong(value, 'true or false')
}

export function parseWord<const Word extends string>(...words: readonly Word[]): (value: unknown) => Parsed<Word> {
  return (value) => {
    const found = words.find((word) => word === value)
    return found === undefined ? wrong(value, words.join(' or ')) : { value: found }
  }
}

export const parseLogLevel = parseWord(...LOG_LEVELS)

export function parseWhole(min: number, max: number): (value: unknown) => Parsed<number> {
  return (value) =>
    typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max
      ? { value }
      : wrong(value, `a whole number from ${min} to ${max}`)
}

/** Percent, `33.3` too, as ppm. */
export function parsePercent(value: unknown): Parsed<Ppm> {
  if (typeof value !== 'number' || !(value >= 0 && value <= 100)) return wrong(value, 'percent: a number from 0 to 100')
  return { value: Math.round((value * ONE) / 100) }
}

/** As percent, but not 0: a threshold that everything reaches would let any claim ban. */
export function parseThreshold(value: unknown): Parsed<Ppm> {
  const percent = parsePercent(value)
  return 'value' in percent && percent.value > 0 ? percent : wrong(value, 'percent: a number over 0, up to 100')
}

/** Seconds. */
export function parseSeconds(min: number, max: number): (value: unknown) => Parsed<number> {
  return (value) => {
    const parsed = parseDuration(typeof value === 'number' || typeof value === 'string' ? String(value) : '')
    if (!parsed.ok) return wrong(value, 'a duration: 90, 90s, 10m, 12h or 7d')
    const seconds = parsed.value
    return seconds >= min && seconds <= max
      ? { value: seconds }
      : wrong(value, `from ${formatDuration(min)} to ${formatDuration(max)}`)
  }
}

/** The longest ban time is the longest that a claim may run. */
export const parseBanTime = parseSeconds(1, PROTOCOL_LIMITS.ttlSeconds)

export function parseNetwork(value: unknown): Parsed<string> {
  return typeof value === 'string' && NETWORK_NAME.test(value)
    ? { value }
    : wrong(value, 'a name of 1 to 64 letters, digits, _ . -')
}

export function parseJail(value: unknown): Parsed<string> {
  return typeof value === 'string' && JAIL_NAME.test(value)
    ? { value }
    : wrong(value, 'a jail name of 1 to 64 letters, digits, _ . -')
}

/** A jail, or `*` for any. */
export function parseJailPattern(value: unknown): Parsed<string> {
  return value === '*' ? { value } : parseJail(value)
}

export function parseFriendId(value: unknown): Parsed<PeerId> {
  const id = typeof value === 'string' ? parsePeerId(value) : null
  return id === null ? wrong(value, 'a peer ID (12D3KooW…, what `banmesh id` prints there)') : { value: id }
}

/** What tables and logs call a friend. It may not look like a peer ID, for commands take either. */
export function parseName(value: unknown): Parsed<string> {
  const fits =
    typeof value === 'string' &&
    value.length <= NAME_LENGTH &&
    /^[^\p{C}\p{Z}](?:[^\p{C}]*[^\p{C}\p{Z}])?$/u.test(value)
  if (!fits) return wrong(value, `a name of 1 to ${NAME_LENGTH} printable characters`)
  return parsePeerId(value) === null ? { value } : wrong(value, 'a name, not a peer ID')
}

export function parseListen(value: unknown): Parsed<string> {
  const address = typeof value === 'string' ? parseListenAddress(value) : null
  return address === null ? wrong(value, 'a multiaddr like /ip4/0.0.0.0/tcp/7337') : { value: address }
}

export function parseAnnounced(value: unknown): Parsed<string> {
  const dial = typeof value === 'string' ? parseDialAddress(value) : null
  return dial === null || dial.peer !== null
    ? wrong(value, 'a multiaddr without a peer ID, like /dns4/host.example/tcp/7337')
    : { value: dial.address }
}

export function parseFriendAddress(value: unknown): Parsed<DialAddress> {
  const dial = typeof value === 'string' ? parseDialAddress(value) : null
  return dial === null ? wrong(value, 'a multiaddr like /ip4/192.0.2.1/tcp/7337') : { value: dial }
}

/** With the peer ID at its end, so that nobody else can answer there. */
export function parseBootstrap(value: unknown): Parsed<string> {
  const dial = typeof value === 'string' ? parseDialAddress(value) : null
  return dial === null || dial.peer === null
    ? wrong(value, 'a multiaddr with a peer ID, like /ip4/192.0.2.1/tcp/7337/p2p/12D3KooW…')
    : { value: `${dial.address}/p2p/${dial.peer}` }
}

export function parseAllowed(value: unknown): Parsed<Allowed> {
  if (typeof value === 'string') {
    const cidr = parseCidr(value)
    if (cidr !== null) return { value: { cidr } }
    if (isHostName(value)) return { value: { host: value.replace(/\.$/, '').toLowerCase() } }
  }
  return wrong(value, 'an address, a CIDR or a host name')
}

/** `127.0.0.1:7338` or `[::1]:7338`. */
export function parseSocketAddress(value: unknown): Parsed<SocketAddress> {
  const match = typeof value === 'string' ? /^(?:\[([0-9A-Fa-f:.]+)\]|([\d.]+)):(\d{1,5})$/.exec(value) : null
  const [, ipv6, ipv4, digits] = match ?? []
  const port = Number(digits)
  if (ipv6 !== undefined && isIP(ipv6) === 6 && port <= 65535) return { value: { host: ipv6, port } }
  if (ipv4 !== undefined && isIP(ipv4) === 4 && port <= 65535) return { value: { host: ipv4, port } }
  return wrong(value, 'ADDRESS:PORT, like 127.0.0.1:7338 or "[::1]:7338"')
}

export function parsePath(value: unknown): Parsed<string> {
  return typeof value === 'string' && /^[^\p{Cc}]{1,4096}$/u.test(value) ? { value } : wrong(value, 'a path')
}

/** The argv of the exec hook, which knows its placeholders. */
export function parseCommand(value: unknown): Parsed<readonly [string, ...string[]]> {
  if (!Array.isArray(value) || !value.every((word) => typeof word === 'string')) {
    return wrong(value, 'a list of texts: [program, argument, "{ip}"]')
  }
  const checked = checkCommand(value)
  return checked.ok ? { value: checked.value } : { wrong: COMMAND_WRONG[checked.reason] }
}

const COMMAND_WRONG: Readonly<Record<CommandRefusal, string>> = {
  empty: 'must name a program',
  'too-long': `must have at most ${EXEC_LIMITS.words} words, of at most ${EXEC_LIMITS.wordLength} characters`,
  'placeholder-in-program': 'must begin with a program that has no placeholder in its name',
  'unknown-placeholder': 'has an unknown placeholder: there are {ip}, {jail}, {until}, {score} and {action}'
}

export function wrong(value: unknown, expected: string): { readonly wrong: string } {
  return { wrong: `must be ${expected}, not ${show(value)}` }
}

/** A value as a person would recognise it, kept short. */
export function show(value: unknown): string {
  if (value === null || value === undefined) return 'empty'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object') return 'a map'
  const text = JSON.stringify(value) ?? typeof value
  return text.length > 60 ? `${text.slice(0, 59)}…` : text
}
