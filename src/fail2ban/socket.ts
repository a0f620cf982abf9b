/**
 * fail2ban's unix socket, spoken to directly: one command and its answer, each a pickle with an end marker. A question
 * costs less than a thousandth of what `fail2ban-client` costs, which has to start a Python for it.
 *
 * A connection for each command, as fail2ban-client does it: a server that was restarted is no case of its own.
 */
import { connect } from 'node:net'
import { ok, refuse, type Result } from '../core/result.ts'
import { CLIENT_LIMITS, type ClientRefusal } from './client.ts'
import type { PickleValue } from './pickle-machine.ts'
import { decodePickle, encodeWords } from './pickle.ts'

/** Milliseconds until the next try, while fail2ban is at work and its queue of one connection is full. */
const BUSY_MS = 20
const END = Buffer.from('<F2B_END_COMMAND>')

export interface AskOptions {
  readonly socket: string
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
}

/** Sends `words` and returns what fail2ban answers, or what it is that it refused. */
export async function askFail2ban(
  words: readonly string[],
  { socket, timeoutMs, signal }: AskOptions
): Promise<Result<PickleValue, ClientRefusal>> {
  const ending = AbortSignal.any([AbortSignal.timeout(timeoutMs), ...(signal === undefined ? [] : [signal])])
  for (;;) {
    const answer = await exchange(encodeWords(words), socket, ending)
    if (answer !== 'busy') return typeof answer === 'string' ? refuse(answer) : understand(answer)
    await delay(BUSY_MS)
  }
}

/** The answer without its end marker. */
function exchange(message: Buffer, path: string, ending: AbortSignal): Promise<Buffer | ClientRefusal | 'busy'> {
  return new Promise((resolve) => {
    if (ending.aborted) return resolve(reasonOfEnd(ending))
    const chunks: Buffer[] = []
    let length = 0
    let connected = false
    const socket = connect(path)
    const end = (): void => settle(reasonOfEnd(ending))
    function settle(answer: Buffer | ClientRefusal | 'busy'): void {
      ending.removeEventListener('abort', end)
      socket.destroy()
      resolve(answer)
    }
    ending.addEventListener('abort', end)
    socket
      .on('connect', () => {
        connected = true
        socket.write(message)
        socket.write(END)
      })
      .on('data', (chunk: Buffer) => {
        chunks.push(chunk)
        length += chunk.length
        if (length > CLIENT_LIMITS.outputBytes) return settle('not-understood')
        if (!endsAnswer(chunks)) return
        settle(Buffer.concat(chunks).subarray(0, -END.length))
      })
      .on('error', (error: NodeJS.ErrnoException) => settle(connected ? 'failed' : reasonOf(error)))
      .on('close', () => settle('failed'))
  })
}

/** Looks at the last bytes only, which may have come in several pieces. */
function endsAnswer(chunks: readonly Buffer[]): boolean {
  let tail = Buffer.alloc(0)
  for (let i = chunks.length - 1; i >= 0 && tail.length < END.length; i--) tail = Buffer.concat([chunks[i]!, tail])
  return tail.subarray(-END.length).equals(END)
}

/** An answer is a pair: nought and what was asked for, or one and an exception. */
function understand(bytes: Buffer): Result<PickleValue, ClientRefusal> {
  const answer = decodePickle(bytes)
  if (!Array.isArray(answer)) return refuse('not-understood')
  if (answer.length === 1 && answer[0] === 'SHUTDOWN') return refuse('unreachable')
  const [status, value] = answer as readonly PickleValue[]
  if (answer.length !== 2 || value === undefined) return refuse('not-understood')
  if (status === 0) return ok(value)
  if (status !== 1 || value === null || typeof value !== 'object' || !('raised' in value)) {
    return refuse('not-understood')
  }
  return refuse(value.raised === 'UnknownJailException' ? 'unknown-jail' : 'failed')
}

function reasonOfEnd(ending: AbortSignal): ClientRefusal {
  return (ending.reason as Error).name === 'TimeoutError' ? 'timeout' : 'failed'
}

function reasonOf({ code }: NodeJS.ErrnoException): ClientRefusal | 'busy' {
  if (code === 'EAGAIN') return 'busy'
  return code === 'EACCES' || code === 'EPERM' ? 'denied' : 'unreachable'
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms)
  })
}
