/**
 * fail2ban-client, spoken to with argv and never through a shell.
 *
 * A query that failed, or whose answer is not understood to the last line, is a refusal and never an empty list: else a
 * silent server would look like a server that bans nobody.
 */
import { execFile } from 'node:child_process'
import { parseCidr, type Cidr } from '../core/cidr.ts'
import { ok, refuse, type Result } from '../core/result.ts'
import { parseBans, type BanTimes } from './ban-line.ts'

export const CLIENT_LIMITS = {
  /**
   * Addresses in one call. fail2ban answers nobody while it works on one, and its firewall actions take about 10 ms an
   * address: so it is deaf for a second at most. The command line stays below 6 kB.
   */
  batch: 100,
  /** Milliseconds for one call; with a slow action a full batch may take a while. */
  timeoutMs: 60_000,
  /** Bytes of an answer: some 200,000 bans. */
  outputBytes: 16 * 1024 * 1024
} as const

export type ClientRefusal =
  /** There is no such program. */
  | 'no-client'
  /** No server at the socket, or it is stopping. */
  | 'unreachable'
  /** The socket is root's, and we are not. */
  | 'denied'
  | 'unknown-jail'
  | 'timeout'
  | 'not-understood'
  | 'failed'

export interface Fail2banClient {
  /** How many were not banned before. A repeated ban moves the end of the ban to now + ban time, and runs no action. */
  ban(jail: string, subjects: readonly Cidr[]): Promise<Result<number, ClientRefusal>>
  /**
   * How many were banned. A CIDR that is not banned itself takes along every banned address in it: so does fail2ban.
   */
  unban(jail: string, subjects: readonly Cidr[]): Promise<Result<number, ClientRefusal>>
  /** The jail's bans of addresses. */
  banned(jail: string): Promise<Result<ReadonlyMap<Cidr, BanTimes>, ClientRefusal>>
  /** How many bans the jail has seen since it was started, those restored at its start included. */
  everBanned(jail: string): Promise<Result<number, ClientRefusal>>
  /** The jail's ban time in seconds; Infinity for ever. */
  banTime(jail: string): Promise<Result<number, ClientRefusal>>
  /** The addresses that the jail never bans by itself, and that `ban` would ban. Host names in its list are left out. */
  ignored(jail: string): Promise<Result<readonly Cidr[], ClientRefusal>>
}

export interface ClientOptions {
  /** Default `fail2ban-client`, from PATH. */
  readonly client?: string
  /** Default: what fail2ban's configuration says. */
  readonly socket?: string
  readonly timeoutMs?: number
  /** Ends the calls that are under way, for a daemon that stops. */
  readonly signal?: AbortSignal
}

export function createFail2banClient(options: ClientOptions = {}): Fail2banClient {
  const { client = 'fail2ban-client', timeoutMs = CLIENT_LIMITS.timeoutMs } = options
  const fixed = options.socket === undefined ? [] : ['-s', options.socket]

  function call(...command: string[]): Promise<Result<string, ClientRefusal>> {
    return new Promise((resolve) => {
      const limits = { timeout: timeoutMs, killSignal: 'SIGKILL', maxBuffer: CLIENT_LIMITS.outputBytes } as const
      const settings = { encoding: 'utf8', ...limits, signal: options.signal } as const
      execFile(client, [...fixed, ...command], settings, (error, stdout, stderr) => {
        resolve(error === null ? ok(stdout) : refuse(reasonOf(error, stdout, stderr)))
      })
    })
  }

  async function change(verb: string, jail: string, subjects: readonly Cidr[]): Promise<Result<number, ClientRefusal>> {
    let changed = 0
    for (let i = 0; i < subjects.length; i += CLIENT_LIMITS.batch) {
      const answer = await call('set', jail, verb, ...subjects.slice(i, i + CLIENT_LIMITS.batch))
      const count = understood(answer, parseCount)
      if (!count.ok) return count
      changed += count.value
    }
    return ok(changed)
  }

  return {
    ban: (jail, subjects) => change('banip', jail, subjects),
    unban: (jail, subjects) => change('unbanip', jail, subjects),
    banned: async (jail) => understood(await call('get', jail, 'banip', '--with-time'), parseBanned),
    everBanned: async (jail) => understood(await call('status', jail, 'short'), parseEverBanned),
    banTime: async (jail) => understood(await call('get', jail, 'bantime'), parseBanTime),
    ignored: async (jail) => understood(await call('get', jail, 'ignoreip'), parseIgnored)
  }
}

function reasonOf(error: Error, stdout: string, stderr: string): ClientRefusal {
  const { code, killed } = error as { code?: unknown; killed?: boolean }
  if (code === 'ENOENT' || code === 'EACCES') return 'no-client'
  if (code === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER') return 'not-understood'
  if (killed === true) return 'timeout'
  if (/^Sorry but the jail '.*' does not exist$/m.test(stdout)) return 'unknown-jail'
  if (/Permission denied to socket/.test(stderr)) return 'denied'
  if (/Failed to access socket path|Unable to contact server/.test(stderr)) return 'unreachable'
  return 'failed'
}

function understood<T>(
  answer: Result<string, ClientRefusal>,
  parse: (text: string) => T | null
): Result<T, ClientRefusal> {
  if (!answer.ok) return answer
  const value = parse(answer.value)
  return value === null ? refuse('not-understood') : ok(value)
}

/** What fail2ban-client prints, and what it means; null if it is not understood. */
export const ANSWERS = {
  count: parseCount,
  banTime: parseBanTime,
  everBanned: parseEverBanned,
  banned: parseBanned,
  ignored: parseIgnored
} as const

function parseCount(text: string): number | null {
  return /^\d{1,9}\n$/.test(text) ? Number(text) : null
}

function parseBanTime(text: string): number | null {
  if (text === '-1\n') return Number.POSITIVE_INFINITY
  return /^\d{1,12}\n$/.test(text) ? Number(text) : null
}

function parseEverBanned(text: string): number | null {
  const count = /^Status for the jail: [^]*`- Actions\n[^]*[|`]- Total banned:\t(\d{1,12})\n/.exec(text)?.[1]
  return count === undefined ? null : Number(count)
}

/** A line for each ban; without bans one empty line. */
function parseBanned(text: string): ReadonlyMap<Cidr, BanTimes> | null {
  if (text === '\n') return new Map()
  return text.endsWith('\n') ? parseBans(text.slice(0, -1).split('\n')) : null
}

function parseIgnored(text: string): readonly Cidr[] | null {
  if (text === 'No IP address/network is ignored\n') return []
  const [title, ...lines] = text.replace(/\n$/, '').split('\n')
  if (title !== 'These IP addresses/networks are ignored:' || lines.length === 0) return null
  if (!lines.every((line) => /^[|`]- \S/.test(line))) return null
  return lines.map((line) => parseCidr(line.slice(3))).filter((cidr) => cidr !== null)
}
