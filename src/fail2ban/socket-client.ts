/**
 * What `fail2ban-client` does, by fail2ban's socket itself; and both together: the client is asked again where the socket
 * is not ours, or says what we do not understand.
 */
import { parseCidr, type Cidr } from '../core/cidr.ts'
import { ok, refuse, type Result } from '../core/result.ts'
import { parseBans } from './ban-line.ts'
import { CLIENT_LIMITS, type ClientRefusal, type Fail2banClient } from './client.ts'
import type { PickleValue } from './pickle-machine.ts'
import { askFail2ban } from './socket.ts'

export interface SocketClientOptions {
  readonly socket: string
  readonly timeoutMs?: number
  /** Ends the calls that are under way, for a daemon that stops. */
  readonly signal?: AbortSignal
}

export function createSocketClient(options: SocketClientOptions): Fail2banClient {
  const { socket, timeoutMs = CLIENT_LIMITS.timeoutMs, signal } = options

  async function ask<T>(words: readonly string[], read: (value: PickleValue) => T | null) {
    const answer = await askFail2ban(words, { socket, timeoutMs, signal })
    if (!answer.ok) return answer
    const value = read(answer.value)
    return value === null ? refuse<ClientRefusal>('not-understood') : ok(value)
  }

  async function change(verb: string, jail: string, subjects: readonly Cidr[]): Promise<Result<number, ClientRefusal>> {
    let changed = 0
    for (let i = 0; i < subjects.length; i += CLIENT_LIMITS.batch) {
      const count = await ask(['set', jail, verb, ...subjects.slice(i, i + CLIENT_LIMITS.batch)], readCount)
      if (!count.ok) return count
      changed += count.value
    }
    return ok(changed)
  }

  return {
    ban: (jail, subjects) => change('banip', jail, subjects),
    unban: (jail, subjects) => change('unbanip', jail, subjects),
    banned: (jail) => ask(['get', jail, 'banip', '--with-time'], (value) => (isTexts(value) ? parseBans(value) : null)),
    everBanned: (jail) => ask(['status', jail, 'short'], readEverBanned),
    banTime: (jail) => ask(['get', jail, 'bantime'], readBanTime),
    ignored: (jail) =>
      ask(['get', jail, 'ignoreip'], (value) =>
        isTexts(value) ? value.map((text) => parseCidr(text)).filter((cidr) => cidr !== null) : null
      )
  }
}

/** After these the client may fare better: it may be a wrapper that has the right, and it speaks every dialect. */
const ASK_CLIENT: ReadonlySet<ClientRefusal> = new Set(['denied', 'not-understood'])

/** Every call by the first; by the second where that does not lead anywhere. It does no harm to repeat a call. */
export function withFallback(direct: Fail2banClient, client: Fail2banClient): Fail2banClient {
  type Call<T> = (by: Fail2banClient) => Promise<Result<T, ClientRefusal>>
  async function either<T>(call: Call<T>): Promise<Result<T, ClientRefusal>> {
    const result = await call(direct)
    return !result.ok && ASK_CLIENT.has(result.reason) ? call(client) : result
  }
  return {
    ban: (jail, subjects) => either((by) => by.ban(jail, subjects)),
    unban: (jail, subjects) => either((by) => by.unban(jail, subjects)),
    banned: (jail) => either((by) => by.banned(jail)),
    everBanned: (jail) => either((by) => by.everBanned(jail)),
    banTime: (jail) => either((by) => by.banTime(jail)),
    ignored: (jail) => either((by) => by.ignored(jail))
  }
}

function isTexts(value: PickleValue): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string')
}

function readCount(value: PickleValue): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : null
}

function readBanTime(value: PickleValue): number | null {
  return value === -1 ? Number.POSITIVE_INFINITY : readCount(value)
}

/** `[('Filter', ...), ('Actions', [('Currently banned', 2), ('Total banned', 5), ...])]` */
function readEverBanned(value: PickleValue): number | null {
  const actions = lookUp(value, 'Actions')
  const count = actions === undefined ? undefined : lookUp(actions, 'Total banned')
  return count === undefined ? null : readCount(count)
}

/** The value of a name, in a list of pairs. */
function lookUp(pairs: PickleValue, name: string): PickleValue | undefined {
  if (!Array.isArray(pairs)) return undefined
  const pair: unknown = pairs.find((item) => Array.isArray(item) && item.length === 2 && item[0] === name)
  return Array.isArray(pair) ? (pair[1] as PickleValue) : undefined
}
