/**
 * The client of the control API: one HTTP request on the daemon's unix socket. Written on node:net because loading
 * node:http takes as long as bare Node takes to start, and fail2ban starts us for every ban. It speaks HTTP/1.0, to
 * which a server answers in one piece and closes.
 */
import { connect } from 'node:net'
import type { ApiError } from './api.ts'

/** Bytes of an answer: a million verdicts. */
const ANSWER_BYTES = 256 * 1024 * 1024
/** Bytes of the status line and the header lines. */
const HEAD_BYTES = 16 * 1024

export interface ControlRequest {
  readonly method: 'GET' | 'POST' | 'DELETE'
  /** With what is not plain in it percent-encoded, from `/v1/` on. */
  readonly path: string
  readonly body?: unknown
}

export type ControlAnswer =
  | { readonly ok: true; readonly body: unknown }
  /** The daemon has answered with an error. */
  | { readonly ok: false; readonly reason: 'refused'; readonly status: number; readonly error: ApiError['error'] }
  /** Nobody is there, or we are not let in; `code` is the system's word, such as ENOENT. */
  | { readonly ok: false; readonly reason: 'unreachable'; readonly code: string }
  | { readonly ok: false; readonly reason: 'timeout' | 'not-understood' }

interface ControlClientOptions {
  readonly socketPath: string
  /** For the whole of one request. */
  readonly timeoutMs: number
}

/** What talks to the daemon: one request, one answer. Never throws. */
export type ControlClient = (request: ControlRequest) => Promise<ControlAnswer>

export function createControlClient({ socketPath, timeoutMs }: ControlClientOptions): ControlClient {
  return (request) => {
    const { promise, resolve } = Promise.withResolvers<ControlAnswer>()
    const chunks: Buffer[] = []
    let bytes = 0
    const socket = connect({ path: socketPath })
    const timer = setTimeout(() => end({ ok: false, reason: 'timeout' }), timeoutMs)
    function end(answer: ControlAnswer): void {
      clearTimeout(timer)
      socket.destroy()
      resolve(answer)
    }
    socket.on('error', ({ code }: NodeJS.ErrnoException) => {
      // The server may refuse a body, answer and close while we are still writing.
      if (bytes > 0) end(parseAnswer(Buffer.concat(chunks)))
      else end({ ok: false, reason: 'unreachable', code: code ?? 'unknown' })
    })
    socket.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes > ANSWER_BYTES) end({ ok: false, reason: 'not-understood' })
      else chunks.push(chunk)
    })
    socket.on('end', () => end(parseAnswer(Buffer.concat(chunks))))
    socket.write(formatRequest(request))
    return promise
  }
}

function formatRequest({ method, path, body }: ControlRequest): string {
  const head = `${method} ${path} HTTP/1.0\r\nHost: banmesh\r\n`
  if (body === undefined) return `${head}\r\n`
  const json = JSON.stringify(body)
  return `${head}Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(json)}\r\n\r\n${json}`
}

function parseAnswer(bytes: Buffer): ControlAnswer {
  const headEnd = bytes.subarray(0, HEAD_BYTES).indexOf('\r\n\r\n')
  const head = bytes.subarray(0, Math.max(0, headEnd)).toString('latin1')
  const status = Number(/^HTTP\/1\.[01] ([1-5]\d\d)(?: |\r|$)/.exec(head)?.[1])
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1]
  const content = bytes.subarray(headEnd + 4)
  const whole = headEnd > 0 && status > 0 && (length === undefined || Number(length) === content.length)
  const body = whole ? parseJson(content.toString() || 'null') : undefined
  if (body === undefined) return { ok: false, reason: 'not-understood' }
  if (status >= 200 && status < 300) return { ok: true, body }
  const { error } = (body ?? {}) as { error?: { reason?: unknown; message?: unknown } }
  if (typeof error?.reason !== 'string' || typeof error.message !== 'string')
    return { ok: false, reason: 'not-understood' }
  return { ok: false, reason: 'refused', status, error: error as ApiError['error'] }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
