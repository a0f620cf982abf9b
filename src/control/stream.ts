/** The client of `/v1/events`: the lines of an answer that does not end by itself. The reader's pace is the sender's. */
import { connect, type Socket } from 'node:net'
import type { ControlAnswer } from './client.ts'

/** Characters of a line, and of the answer's head. */
const LINE_LENGTH = 64 * 1024

export type StreamEnd = Exclude<ControlAnswer, { ok: true }> | { readonly ok: true }

export interface StreamOptions {
  readonly socketPath: string
  /** From `/v1/` on. */
  readonly path: string
  /** Called with one line after the other; the next is read when it has resolved. */
  readonly line: (text: string) => Promise<void>
  /** Ends the stream. */
  readonly signal: AbortSignal
}

/** Resolves when the stream has ended: by us, by the daemon, or because there was none. Never rejects. */
export async function readLines({ socketPath, path, line, signal }: StreamOptions): Promise<StreamEnd> {
  const socket = connect({ path: socketPath, signal })
  socket.setEncoding('utf8')
  socket.write(`GET ${path} HTTP/1.0\r\nHost: banmesh\r\n\r\n`)
  let rest = ''
  let inBody = false
  try {
    for await (const text of socket as AsyncIterable<string>) {
      rest += text
      if (!inBody) {
        const end = rest.indexOf('\r\n\r\n')
        if (end < 0 && rest.length < LINE_LENGTH) continue
        if (!/^HTTP\/1\.[01] 200 /.test(rest)) return await refusal(socket, rest)
        inBody = true
        rest = rest.slice(end + 4)
      }
      const lines = rest.split('\n')
      rest = lines.pop()!
      if (rest.length > LINE_LENGTH) return { ok: false, reason: 'not-understood' }
      for (const whole of lines) await line(whole)
    }
    return inBody ? { ok: true } : { ok: false, reason: 'not-understood' }
  } catch (error) {
    if (signal.aborted || inBody) return { ok: true }
    return { ok: false, reason: 'unreachable', code: (error as NodeJS.ErrnoException).code ?? 'unknown' }
  } finally {
    socket.destroy()
  }
}

async function refusal(socket: Socket, begun: string): Promise<StreamEnd> {
  let text = begun
  for await (const more of socket as AsyncIterable<string>) {
    text += more
    if (text.length > LINE_LENGTH) break
  }
  try {
    const { error } = JSON.parse(text.slice(text.indexOf('\r\n\r\n') + 4)) as {
      error: { reason: string; message: string }
    }
    return { ok: false, reason: 'refused', status: Number(text.slice(9, 12)), error }
  } catch {
    return { ok: false, reason: 'not-understood' }
  }
}
