/**
 * The dashboard, metrics and health over HTTP: checks who asks (guard.ts), calls the daemon's port, answers in the shapes
 * of api.ts. Everybody who can reach the port may read; the token is needed to change something.
 */
import type { AddressInfo } from 'node:net'
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { ok, refuse, type Result } from '../core/result.ts'
import { parseSubject, type Subject } from '../core/subject.ts'
import type { BanForm, EntryForm, FriendForm, IdForm, SubjectForm, VerdictQuery } from './api.ts'
import { loadAssets, type Asset } from './assets.ts'
import { createEventStream, type EventStream } from './event-stream.ts'
import { isOwnHost, isOwnOrigin, SECURITY_HEADERS } from './guard.ts'
import { createHistory, HISTORY_STEP_MS, type History } from './history.ts'
import type { Answer, WebPort } from './port.ts'
import { carriesToken } from './token.ts'

export interface WebOptions {
  /** Null: nothing can be changed from the dashboard. */
  readonly token: string | null
  /** Unix ms. */
  now(): number
}

export interface WebServer {
  /** `port` 0: any; the answer has the real one. */
  listen(host: string, port: number): Promise<Result<{ host: string; port: number }, 'cannot-listen'>>
  /** Dashboards that are open. */
  readers(): number
  close(): Promise<void>
}

/** Requests are small; a body over this is refused with 413. */
const BODY_BYTES = 4096

export const WEB_LIMITS = {
  /** Connections at the same time; more are closed at once. */
  connections: 256,
  /** A request must have been said in full by then, ... */
  requestMs: 10_000,
  /** ... which is looked at so often. */
  checkMs: 1000
} as const

/** Rows of one page of verdicts. */
export const PAGE_ROWS = 200
const TTL_SECONDS = 366 * 86_400

const SUBJECT = { type: 'string', maxLength: 64 } as const
const SUBJECT_SCHEMA = bodyOf({ subject: SUBJECT }, 'subject')
const BAN_SCHEMA = bodyOf(
  { subject: SUBJECT, ttlSeconds: { type: 'integer', minimum: 1, maximum: TTL_SECONDS } },
  'subject'
)
const ID = { type: 'string', maxLength: 128 } as const
const ID_SCHEMA = bodyOf({ id: ID }, 'id')
const FRIEND_SCHEMA = bodyOf(
  {
    id: ID,
    trust: { type: 'integer', minimum: 0, maximum: 100 },
    observe: { type: 'boolean' },
    paused: { type: 'boolean' }
  },
  'id'
)
/** A host name has 253 characters at most. */
const ENTRY_SCHEMA = bodyOf({ entry: { type: 'string', maxLength: 254 } }, 'entry')
const NOTHING_SCHEMA = { body: { type: 'object', maxProperties: 0 } } as const
const VERDICTS_SCHEMA = {
  querystring: {
    type: 'object',
    properties: {
      state: { enum: ['accepted', 'held', 'all'] },
      text: { type: 'string', maxLength: 64 },
      after: { type: 'string', maxLength: 64 },
      limit: { type: 'string', pattern: '^[1-9][0-9]{0,2}$' }
    }
  }
} as const

function bodyOf(properties: object, required: string) {
  return { body: { type: 'object', required: [required], additionalProperties: false, properties } }
}

export function createWebServer(
  port: WebPort,
  { token, now }: WebOptions,
  limits: { readonly [Name in keyof typeof WEB_LIMITS]: number } = WEB_LIMITS
): WebServer {
  const history = createHistory()
  const stream = createEventStream(port)
  const app = fastify({
    bodyLimit: BODY_BYTES,
    requestTimeout: limits.requestMs,
    http: { headersTimeout: limits.requestMs, connectionsCheckingInterval: limits.checkMs },
    forceCloseConnections: true,
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false } }
  })
  app.server.maxConnections = limits.connections
  // A form of a foreign page can only be one of the others.
  app.removeContentTypeParser('text/plain')
  app.addHook('onRequest', guard)
  app.setErrorHandler((error: Error & { statusCode?: number }, request, reply) => {
    const status = error.statusCode ?? 500
    // The route as we wrote it, not as the client filled it in.
    if (status >= 500) port.failed(`${request.method} ${request.routeOptions.url ?? ''}`, error)
    return status < 500
      ? fail(reply, status, 'bad-request', error.message)
      : fail(reply, 500, 'internal-error', 'the daemon failed; its log says why')
  })
  app.setNotFoundHandler((_request, reply) => fail(reply, 404, 'not-found', 'there is no such page'))
  addPage(app)
  addReading(app, port, history, stream)
  addActions(app, port, token)
  addSettings(app, port, token)
  addHealth(app, port)

  const remember = (): void => history.add({ at: now(), ...port.counts() })
  let sampling: NodeJS.Timeout | undefined
  return {
    async listen(host, tcpPort) {
      try {
        await app.listen({ host, port: tcpPort })
      } catch {
        return refuse('cannot-listen')
      }
      remember()
      sampling = setInterval(remember, HISTORY_STEP_MS)
      const address = app.server.address() as AddressInfo
      return ok({ host: address.address, port: address.port })
    },
    readers: () => stream.readers(),
    async close() {
      clearInterval(sampling)
      stream.close()
      await app.close()
    }
  }
}

async function guard({ headers, method }: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> {
  void reply.headers(SECURITY_HEADERS).header('cache-control', 'no-store')
  if (!isOwnHost(headers.host)) {
    return fail(reply, 421, 'foreign-host', 'ask by IP address or localhost: other names are refused (DNS rebinding)')
  }
  if (method !== 'GET' && method !== 'HEAD' && !isOwnOrigin(headers.origin, headers.host)) {
    return fail(reply, 403, 'foreign-origin', 'only the dashboard itself may ask for this')
  }
  return undefined
}

/** Read at the first request: a node whose dashboard nobody opens does not keep it in memory. */
function addPage(app: FastifyInstance): void {
  let assets: ReadonlyMap<string, Asset> | null = null
  function deliver(name: string, request: FastifyRequest, reply: FastifyReply): FastifyReply {
    assets ??= loadAssets()
    const asset = assets.get(name)
    if (asset === undefined) return fail(reply, 404, 'not-found', 'there is no such page')
    void reply.headers({ etag: asset.etag, 'cache-control': 'no-cache' })
    return request.headers['if-none-match'] === asset.etag
      ? reply.code(304).send()
      : reply.type(asset.type).send(asset.body)
  }
  app.get('/', (request, reply) => deliver('index.html', request, reply))
  app.get<{ Params: { name: string } }>('/page/:name', (request, reply) => deliver(request.params.name, request, reply))
}

function addReading(app: FastifyInstance, port: WebPort, history: History, stream: EventStream): void {
  app.get('/api/overview', () => port.overview())
  app.get('/api/history', (_request, reply) => reply.send(history.points()))
  app.get<{ Querystring: Partial<Record<keyof VerdictQuery, string>> }>(
    '/api/verdicts',
    { schema: VERDICTS_SCHEMA },
    ({ query: { state = 'all', text = '', after = '', limit = '50' } }) =>
      port.verdicts({
        state: state as VerdictQuery['state'],
        text,
        after,
        limit: Math.min(Number(limit), PAGE_ROWS)
      })
  )
  app.get<{ Params: { subject: string } }>('/api/why/:subject', ({ params }, reply) =>
    withSubject(params.subject, reply, async (subject) => reply.send(port.why(subject)))
  )
  app.get('/api/events', (request, reply) => {
    const seen = Number(request.headers['last-event-id'] ?? 0)
    const lastId = Number.isSafeInteger(seen) && seen >= 0 ? seen : 0
    if (!stream.open(reply.raw, SECURITY_HEADERS, lastId)) {
      return fail(reply, 503, 'too-many-readers', 'too many dashboards are open')
    }
    reply.hijack()
    return undefined
  })
}

/** Before the body is looked at. */
function unlockedBy(token: string | null) {
  return async ({ headers }: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> => {
    if (token !== null && carriesToken(headers.authorization, token)) return undefined
    return fail(reply.header('www-authenticate', 'Bearer'), 401, 'no-token', 'this needs the token')
  }
}

function addActions(app: FastifyInstance, port: WebPort, token: string | null): void {
  const onRequest = unlockedBy(token)
  app.get('/api/session', { onRequest }, () => ({}))
  app.post<{ Body: BanForm }>('/api/ban', { onRequest, schema: BAN_SCHEMA }, ({ body }, reply) =>
    withSubject(body.subject, reply, async (subject) => send(reply, await port.ban(subject, body)))
  )
  const actions = { '/api/unban': port.unban, '/api/forget-veto': port.forgetVeto }
  const switches = { '/api/pause': port.pause, '/api/resume': port.resume, '/api/flush': port.flush }
  for (const [path, act] of Object.entries(switches)) {
    app.post(path, { onRequest, schema: NOTHING_SCHEMA }, async (_request, reply) => send(reply, await act()))
  }
  for (const [path, act] of Object.entries(actions)) {
    app.post<{ Body: SubjectForm }>(path, { onRequest, schema: SUBJECT_SCHEMA }, ({ body }, reply) =>
      withSubject(body.subject, reply, async (subject) => send(reply, await act(subject)))
    )
  }
}

function addSettings(app: FastifyInstance, port: WebPort, token: string | null): void {
  const onRequest = unlockedBy(token)
  app.post<{ Body: FriendForm }>('/api/friend', { onRequest, schema: FRIEND_SCHEMA }, async ({ body }, reply) => {
    const { id, ...change } = body
    return send(reply, await port.changeFriend(id, change))
  })
  app.post<{ Body: IdForm }>('/api/friend/remove', { onRequest, schema: ID_SCHEMA }, async ({ body }, reply) =>
    send(reply, await port.removeFriend(body.id))
  )
  app.get('/api/allowlist', { onRequest }, () => port.allowlist())
  for (const [path, act] of Object.entries({ '/api/allow': port.allow, '/api/disallow': port.disallow })) {
    app.post<{ Body: EntryForm }>(path, { onRequest, schema: ENTRY_SCHEMA }, async ({ body }, reply) =>
      send(reply, await act(body.entry.trim()))
    )
  }
}

function addHealth(app: FastifyInstance, port: WebPort): void {
  app.get('/metrics', async (_request, reply) =>
    reply.type('text/plain; version=0.0.4; charset=utf-8').send(await port.metrics())
  )
  app.get('/healthz', (_request, reply) => reply.type('text/plain; charset=utf-8').send('ok\n'))
  app.get('/readyz', (_request, reply) => {
    const failing = port.failing()
    const text = failing.length === 0 ? 'ready\n' : `${failing.join('\n')}\n`
    return reply
      .code(failing.length === 0 ? 200 : 503)
      .type('text/plain; charset=utf-8')
      .send(text)
  })
}

function withSubject(
  text: string,
  reply: FastifyReply,
  then: (subject: Subject) => Promise<FastifyReply>
): Promise<FastifyReply> | FastifyReply {
  const subject = parseSubject(text.trim())
  if (subject.ok) return then(subject.value)
  return subject.reason === 'over-wide'
    ? fail(reply, 403, 'over-wide', 'that is too wide: the widest subjects are a /24 (IPv4) and a /48 (IPv6)')
    : fail(reply, 400, 'junk-subject', 'that is not an IP address or CIDR')
}

function send(reply: FastifyReply, answer: Answer): FastifyReply {
  return answer.ok ? reply.send({}) : fail(reply, answer.status, answer.reason, answer.message, answer.hint)
}

function fail(reply: FastifyReply, status: number, reason: string, message: string, hint?: string): FastifyReply {
  return reply.code(status).send({ error: { reason, message, ...(hint === undefined ? {} : { hint }) } })
}
