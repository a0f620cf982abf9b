/** The control API on the unix socket: checks what comes in, calls the daemon's port, and turns refusals into statuses. */
import { unlink } from 'node:fs/promises'
import { connect } from 'node:net'
import fastify, { type FastifyInstance, type FastifyReply } from 'fastify'
import { ok, refuse, type Result } from '../core/result.ts'
import { parseSubject, type Subject } from '../core/subject.ts'
import {
  IMPORT_BATCH,
  type ApiError,
  type Banned,
  type BanRequest,
  type Checked,
  type Flushed,
  type FriendView,
  type HookEvent,
  type Identity,
  type Imported,
  type ImportRequest,
  type LiveEvent,
  type Paused,
  type Reloaded,
  type Status,
  type Told,
  type Unbanned,
  type VerdictView,
  type Why
} from './api.ts'
import { createWatchers, type Watchers } from './watchers.ts'

/** 400: bad input; 403: refused by policy; 404: no such thing; 500: a failure of ours. */
export type Answer<T> =
  | { readonly ok: true; readonly value: T }
  | {
      readonly ok: false
      readonly status: 400 | 403 | 404 | 500
      readonly reason: string
      readonly message: string
      readonly hint?: string
    }

/** What the API needs of the daemon. */
export interface ControlPort {
  status(): Promise<Status>
  identity(): Identity
  friends(): FriendView[]
  reload(): Promise<Answer<Reloaded>>
  tellRotation(): Promise<Told>
  ban(subject: Subject, request: Omit<BanRequest, 'subject'>): Promise<Answer<Banned>>
  unban(subject: Subject): Promise<Answer<Unbanned>>
  forgetVeto(subject: Subject): Promise<Answer<Unbanned>>
  verdicts(all: boolean): VerdictView[]
  why(subject: Subject): Why
  check(subject: Subject): Checked
  hook(event: HookEvent): Promise<Answer<Record<string, never>>>
  import(request: ImportRequest): Promise<Answer<Imported>>
  pause(): Promise<Answer<Paused>>
  resume(): Promise<Answer<Paused>>
  flush(): Promise<Answer<Flushed>>
  /** Calls back with what happens from now on; returns how to stop that. */
  subscribe(happened: (events: readonly LiveEvent[]) => void): () => void
  /** Unix ms. */
  now(): number
  /** A request has failed by a bug of ours or a disk that fails: the client is told that the log says why. */
  failed(route: string, error: unknown): void
}

type ListenRefusal = 'already-running' | 'not-writable'

/** Requests are small; a body over this is refused with 413. */
const BODY_BYTES = 64 * 1024

export const CONTROL_LIMITS = {
  /** Connections at the same time; more are closed at once. */
  connections: 256,
  /** A request must have been said in full by then, ... */
  requestMs: 10_000,
  /** ... which is looked at so often. */
  checkMs: 1000
} as const
/** rw for owner and group: who may use the socket may ban. */
const SOCKET_UMASK = 0o117

const BAN_SCHEMA = {
  body: {
    type: 'object',
    required: ['subject'],
    additionalProperties: false,
    properties: {
      subject: { type: 'string', maxLength: 64 },
      jail: { type: 'string', pattern: '^[A-Za-z0-9_.-]{1,64}$' },
      ttlSeconds: { type: 'integer', minimum: 1 }
    }
  }
} as const

/** Bytes of a full import: an IPv6 CIDR and its time take less than 128. */
const IMPORT_BYTES = IMPORT_BATCH * 128

const IMPORT_SCHEMA = {
  body: {
    type: 'object',
    required: ['jail', 'bans'],
    additionalProperties: false,
    properties: {
      jail: { type: 'string', pattern: '^[A-Za-z0-9_.-]{1,64}$' },
      bans: {
        type: 'array',
        maxItems: IMPORT_BATCH,
        items: {
          type: 'object',
          required: ['subject', 'ttlSeconds'],
          additionalProperties: false,
          properties: {
            subject: { type: 'string', maxLength: 64 },
            ttlSeconds: { type: 'integer', minimum: 1 }
          }
        }
      }
    }
  }
} as const

const HOOK_SCHEMA = {
  body: {
    type: 'object',
    required: ['event', 'jail'],
    additionalProperties: false,
    properties: {
      event: { enum: ['ban', 'unban', 'prolong', 'flush', 'start', 'stop'] },
      jail: { type: 'string', pattern: '^[A-Za-z0-9_.-]{1,64}$' },
      ip: { type: 'string', maxLength: 64 },
      time: { type: 'integer', minimum: 0 },
      banTime: { type: 'integer', minimum: -1 },
      failures: { type: 'integer', minimum: 0 }
    }
  }
} as const

export interface ControlServer {
  listen(path: string): Promise<Result<void, ListenRefusal>>
  close(): Promise<void>
}

export function createControlServer(
  port: ControlPort,
  limits: { readonly [Name in keyof typeof CONTROL_LIMITS]: number } = CONTROL_LIMITS
): ControlServer {
  const app = fastify({
    bodyLimit: BODY_BYTES,
    requestTimeout: limits.requestMs,
    http: { headersTimeout: limits.requestMs, connectionsCheckingInterval: limits.checkMs },
    // A client that never ends its request must not keep the daemon from stopping.
    forceCloseConnections: true,
    // What is wrong with a URL is found before there is a route, and would be told in fastify's form.
    frameworkErrors({ message, statusCode = 400 }, _request, reply: FastifyReply) {
      void reply.code(statusCode).send(errorOf('bad-request', message))
    },
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false } }
  })
  app.server.maxConnections = limits.connections
  const watchers = createWatchers(port)
  addRoutes(app, port, watchers)
  app.setErrorHandler((error: Error & { statusCode?: number }, request, reply) => {
    const status = error.statusCode ?? 500
    // The route as we wrote it, not as the client filled it in.
    if (status >= 500) port.failed(`${request.method} ${request.routeOptions.url ?? ''}`, error)
    const answer = status < 500 ? error.message : 'the daemon failed; its log says why'
    return reply.code(status).send(errorOf(status < 500 ? 'bad-request' : 'internal-error', answer))
  })
  app.setNotFoundHandler((_request, reply) => reply.code(404).send(errorOf('not-found', 'there is no such route')))
  return {
    async listen(path) {
      if (await answers(path)) return refuse('already-running')
      const umask = process.umask(SOCKET_UMASK)
      try {
        await unlink(path).catch(() => undefined)
        await app.listen({ path })
        return ok(undefined)
      } catch {
        return refuse('not-writable')
      } finally {
        process.umask(umask)
      }
    },
    close() {
      watchers.close()
      return app.close()
    }
  }
}

function addRoutes(app: FastifyInstance, port: ControlPort, watchers: Watchers): void {
  app.get('/v1/status', () => port.status())
  app.get('/v1/id', () => port.identity())
  app.get('/v1/friends', () => port.friends())
  app.post('/v1/reload', async (_request, reply) => send(reply, await port.reload()))
  app.post('/v1/rotation', () => port.tellRotation())
  app.post<{ Body: BanRequest }>('/v1/bans', { schema: BAN_SCHEMA }, ({ body }, reply) =>
    withSubject(body.subject, reply, async (subject) => send(reply, await port.ban(subject, body)))
  )
  app.delete<{ Params: { subject: string } }>('/v1/bans/:subject', ({ params }, reply) =>
    withSubject(params.subject, reply, async (subject) => send(reply, await port.unban(subject)))
  )
  app.delete<{ Params: { subject: string } }>('/v1/vetoes/:subject', ({ params }, reply) =>
    withSubject(params.subject, reply, async (subject) => send(reply, await port.forgetVeto(subject)))
  )
  app.get<{ Querystring: { all?: string } }>('/v1/verdicts', ({ query }) => port.verdicts(query.all === 'true'))
  app.get<{ Params: { subject: string } }>('/v1/why/:subject', ({ params }, reply) =>
    withSubject(params.subject, reply, (subject) => reply.send(port.why(subject)))
  )
  app.get<{ Params: { subject: string } }>('/v1/check/:subject', ({ params }, reply) =>
    withSubject(params.subject, reply, (subject) => reply.send(port.check(subject)))
  )
  app.post<{ Body: ImportRequest }>(
    '/v1/import',
    { schema: IMPORT_SCHEMA, bodyLimit: IMPORT_BYTES },
    async ({ body }, reply) => send(reply, await port.import(body))
  )
  app.post('/v1/pause', async (_request, reply) => send(reply, await port.pause()))
  app.post('/v1/resume', async (_request, reply) => send(reply, await port.resume()))
  app.post('/v1/flush', async (_request, reply) => send(reply, await port.flush()))
  app.get('/v1/events', (_request, reply) => {
    if (watchers.isFull()) return reply.code(403).send(errorOf('too-many-watchers', 'too many are watching already'))
    reply.hijack()
    return watchers.add(reply.raw)
  })
  app.post<{ Body: HookEvent }>('/v1/hook', { schema: HOOK_SCHEMA }, async ({ body }, reply) =>
    send(reply, await port.hook(body))
  )
}

function withSubject(text: string, reply: FastifyReply, then: (subject: Subject) => unknown): unknown {
  const subject = parseSubject(text)
  if (subject.ok) return then(subject.value)
  const message =
    subject.reason === 'over-wide'
      ? 'that is too wide: the widest subjects are a /24 (IPv4) and a /48 (IPv6)'
      : 'that is not an IP address or CIDR'
  return reply.code(subject.reason === 'over-wide' ? 403 : 400).send(errorOf(subject.reason, message))
}

function send<T>(reply: FastifyReply, answer: Answer<T>): FastifyReply {
  if (answer.ok) return reply.send(answer.value)
  return reply.code(answer.status).send(errorOf(answer.reason, answer.message, answer.hint))
}

function errorOf(reason: string, message: string, hint?: string): ApiError {
  return { error: { reason, message, ...(hint === undefined ? {} : { hint }) } }
}

/** Whether somebody listens there: a socket file that a killed daemon left behind does not answer. */
function answers(path: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const socket = connect(path)
  socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
  return promise.finally(() => socket.destroy())
}
