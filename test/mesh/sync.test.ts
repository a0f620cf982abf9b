import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { test, type TestContext } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@libp2p/yamux'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Libp2p, Stream } from '@libp2p/interface'
import { peerIdFromPrivateKey, peerIdFromString } from '@libp2p/peer-id'
import { tcp } from '@libp2p/tcp'
import { lpStream } from '@libp2p/utils'
import { createLibp2p } from 'libp2p'
import type { PeerId } from '../../src/core/report.ts'
import { createDialogue, type SyncPorts, type SyncProgress } from '../../src/mesh/sync-dialogue.ts'
import { decodeFrame, encodeFrame, type Frame } from '../../src/mesh/sync-frames.ts'
import { SYNC_LIMITS, type SyncLimits } from '../../src/mesh/sync-limits.ts'
import type { SyncOutcome } from '../../src/mesh/sync-session.ts'
import { createSync, type Sync } from '../../src/mesh/sync.ts'
import { pageOf, toItemSet, type Item } from '../support/items.ts'
import { until } from '../support/until.ts'

const PROTOCOL = '/banmesh/test/sync/1.0.0'

/** A report is 12 bytes of name, and filler. `owner` is whose path it came by. */
function envelope(name: number, size = 200): Uint8Array {
  return Buffer.from(String(name).padStart(12, '0').padEnd(size, '.'))
}

function item(name: number, owner: PeerId): Item {
  const key = createHash('sha256').update(`${name} by ${owner}`).digest()
  return { issuedAt: 1_790_000_000_000 + name * 10, key, ref: name }
}

interface Node {
  readonly id: PeerId
  readonly libp2p: Libp2p
  readonly sync: Sync
  readonly own: Set<number>
  /** By friend, what came from there. */
  readonly held: Map<PeerId, Set<number>>
  readonly outcomes: { friend: PeerId; outcome: SyncOutcome }[]
  readonly progress: SyncProgress[]
}

interface NodeOptions {
  readonly own?: Iterable<number>
  readonly limits?: Partial<SyncLimits>
  readonly ports?: Partial<SyncPorts>
}

async function plainNode(t: TestContext, wanted = (_id: PeerId) => true): Promise<Libp2p> {
  let privateKey = await generateKeyPair('Ed25519')
  while (!wanted(peerIdFromPrivateKey(privateKey).toString() as PeerId)) privateKey = await generateKeyPair('Ed25519')
  const libp2p = await createLibp2p({
    privateKey,
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()]
  })
  t.after(() => libp2p.stop())
  return libp2p
}

async function start(t: TestContext, options: NodeOptions = {}): Promise<Node> {
  const libp2p = await plainNode(t)
  const id = libp2p.peerId.toString() as PeerId
  const own = new Set(options.own)
  const held = new Map<PeerId, Set<number>>()
  const heldFrom = (friend: PeerId) => held.get(friend) ?? held.set(friend, new Set()).get(friend)!
  const outcomes: Node['outcomes'] = []
  const progress: SyncProgress[] = []
  const sync = createSync({
    network: 'test',
    self: id,
    streams: {
      handle: (protocol, handler, opts) => libp2p.handle(protocol, handler, opts),
      openStream: (friend, protocol, opts) => libp2p.dialProtocol(peerIdFromString(friend), protocol, opts)
    },
    ports: {
      offers: () => [pageOf([...own].map((name) => item(name, id)))],
      holds: (friend) => [pageOf([...heldFrom(friend)].map((name) => item(name, friend)))],
      serve: (_friend, refs) => refs.map((name) => envelope(name)).values(),
      async ingest(bytes, from) {
        await delay(0)
        heldFrom(from).add(Number(Buffer.from(bytes.subarray(0, 12)).toString()))
        return { ok: true }
      },
      progress: (_friend, one) => progress.push(one),
      random: randomBytes,
      ...options.ports
    },
    ended: (friend, outcome) => outcomes.push({ friend, outcome }),
    limits: { idleMs: 5000, ...options.limits }
  })
  await sync.start()
  t.after(() => sync.stop())
  return { id, libp2p, sync, own, held, outcomes, progress }
}

async function pair(t: TestContext, first: NodeOptions, second: NodeOptions): Promise<[Node, Node]> {
  const [a, b] = [await start(t, first), await start(t, second)]
  await connect(a, b)
  return [a, b]
}

async function connect(a: Node, b: Node): Promise<void> {
  await a.libp2p.dial(b.libp2p.getMultiaddrs())
  await until(() => b.libp2p.getConnections(a.libp2p.peerId).length > 0, 'the connection on the other side')
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i)
}

function sorted(names: Iterable<number> = []): number[] {
  return [...names].sort((one, other) => one - other)
}

function assertEqualSets(a: Node, b: Node): void {
  assert.deepEqual(sorted(a.held.get(b.id)), sorted(b.own))
  assert.deepEqual(sorted(b.held.get(a.id)), sorted(a.own))
}

function reasonOf(outcome: SyncOutcome | undefined): string | undefined {
  return outcome?.kind === 'ended' ? outcome.reason : outcome?.kind
}

test('after one session both friends have what the other one offers, and both are told so', async (t) => {
  const [a, b] = await pair(t, { own: range(0, 3000) }, { own: range(2000, 2500) })
  const outcome = await a.sync.sync(b.id)
  assert.equal(outcome.kind, 'done')
  assert.deepEqual([outcome.sent, outcome.received, outcome.accepted], [3000, 500, 500])
  assertEqualSets(a, b)
  const theirs = await until(() => b.outcomes[0], 'the outcome on the other side')
  assert.equal(theirs.friend, a.id)
  assert.deepEqual([theirs.outcome.kind, theirs.outcome.sent, theirs.outcome.received], ['done', 500, 3000])
  assert.deepEqual(a.progress.at(-1), { sent: 3000, toSend: 3000, received: 500, toReceive: 500 })
  assert.ok(b.progress.length > 5 && b.progress.every((one, i) => one.received >= (b.progress[i - 1]?.received ?? 0)))
})

test('a session between friends who have everything costs one message each way, and what is new later costs little', async (t) => {
  const [a, b] = await pair(t, { own: range(0, 2000) }, { own: range(0, 2000) })
  await a.sync.sync(b.id)
  await until(() => b.outcomes[0], 'the session to end on the other side')
  const idle = await b.sync.sync(a.id)
  assert.deepEqual([idle.kind, idle.sent, idle.received, idle.rounds], ['done', 0, 0, 2])
  assert.ok(idle.bytes < 1000, `${idle.bytes} bytes`)
  a.own.add(5000)
  b.own.add(6000).add(7000)
  await until(() => a.outcomes[1], 'the session to end on the other side')
  const few = await b.sync.sync(a.id)
  assert.deepEqual([few.kind, few.sent, few.received], ['done', 2, 1])
  assert.ok(few.bytes < 5000, `${few.bytes} bytes`)
  assertEqualSets(a, b)
})

test('two empty nodes have nothing to say', async (t) => {
  const [a, b] = await pair(t, {}, {})
  assert.equal((await a.sync.sync(b.id)).kind, 'done')
})

test('if both open a session at the same time, one of the two goes on', async (t) => {
  const [a, b] = await pair(t, { own: range(0, 500) }, { own: range(300, 900) })
  const outcomes = await Promise.all([a.sync.sync(b.id), b.sync.sync(a.id)])
  assert.ok(outcomes.some(({ kind }) => kind === 'done'))
  await until(() => a.outcomes.length + b.outcomes.length >= 3, 'the session to end on both sides')
  assertEqualSets(a, b)
})

for (const [relation, expected] of [
  ['smaller', 'superseded'],
  ['larger', 'busy']
] as const) {
  test(`a partner with the ${relation} peer ID that opens a session while we do: ${expected}`, async (t) => {
    const node = await start(t)
    const partner = await plainNode(t, (id) => id < node.id === (relation === 'smaller'))
    const silent = Promise.withResolvers<Stream>()
    await partner.handle(PROTOCOL, (stream) => silent.resolve(stream))
    await node.libp2p.dial(partner.getMultiaddrs())
    const session = node.sync.sync(partner.peerId.toString() as PeerId)
    await silent.promise
    const stream = lpStream(await partner.dialProtocol(node.libp2p.peerId, PROTOCOL))
    await write(stream, reconcile('initiator', EQUAL), reconcile('responder', EQUAL))
    const first = decodeFrame((await stream.read()).subarray(), 1)
    assert.deepEqual(first, expected === 'busy' ? { type: 'busy' } : { type: 'end' })
    ;(await silent.promise).abort(new Error('enough'))
    assert.equal(reasonOf(await session), expected === 'busy' ? 'connection-lost' : 'superseded')
  })
}

test('while a session is under way a second one is refused, by oneself and by the friend', async (t) => {
  const gate = Promise.withResolvers<void>()
  let arrived = 0
  const ingest = async () => {
    arrived++
    await gate.promise
    return { ok: true }
  }
  const [a, b] = await pair(t, { own: range(0, 10) }, { ports: { ingest } })
  const first = a.sync.sync(b.id)
  assert.equal(reasonOf(await a.sync.sync(b.id)), 'busy')
  await until(() => arrived > 0, 'the session to be under way')
  assert.equal(reasonOf(await b.sync.sync(a.id)), 'busy')
  const third = lpStream(await a.libp2p.dialProtocol(b.libp2p.peerId, PROTOCOL))
  assert.deepEqual(decodeFrame((await third.read()).subarray(), 1), { type: 'busy' })
  third.unwrap().abort(new Error('done'))
  gate.resolve()
  assert.equal((await first).kind, 'done')
})

test('sessions run with as many friends at a time as the limit says; more are told to come later, on both sides', async (t) => {
  const gate = Promise.withResolvers<void>()
  const ingest = () => gate.promise.then(() => ({ ok: true }))
  const full = await start(t, { ports: { ingest }, limits: { sessions: 1 } })
  const [first, second] = [await start(t, { own: [1] }), await start(t, { own: [2] })]
  for (const node of [first, second]) await connect(node, full)
  const session = first.sync.sync(full.id)
  await until(() => openStreams(full) > 0, 'the first session')
  await until(async () => reasonOf(await second.sync.sync(full.id)) === 'busy', 'the second one to be refused')
  assert.equal(reasonOf(await full.sync.sync(second.id)), 'at-capacity')
  gate.resolve()
  assert.equal((await session).kind, 'done')
  await until(() => full.outcomes.length > 0, 'the place to be free')
  assert.equal((await second.sync.sync(full.id)).kind, 'done')
})

test('who is slow gives way to another friend once it has had its turn, and who moves most does not', async (t) => {
  const gate = Promise.withResolvers<void>()
  const full = await start(t, { own: range(0, 2000), limits: { sessions: 2, turnMs: 100 } })
  const idle = await plainNode(t)
  let moves = false
  const ingest = () => {
    moves = true
    return gate.promise.then(() => ({ ok: true }))
  }
  const [busy, ninth] = [await start(t, { ports: { ingest } }), await start(t, { own: [7] })]
  t.after(() => gate.resolve())
  for (const node of [busy, ninth]) await connect(node, full)
  await idle.dial(full.libp2p.getMultiaddrs())
  // The first to have had its turn.
  const slow = lpStream(await idle.dialProtocol(full.libp2p.peerId, PROTOCOL))
  await until(() => openStreams(full) > 0, 'the session that does not move')
  const moving = busy.sync.sync(full.id)
  await until(() => moves, 'the session that does')
  // Both have had their turn by then.
  await delay(200)
  await until(async () => reasonOf(await ninth.sync.sync(full.id)) === 'done', 'the ninth')
  await until(() => slow.unwrap().status !== 'open', 'the slow one to be ended')
  gate.resolve()
  assert.equal((await moving).kind, 'done')
  const idleId = idle.peerId.toString()
  assert.deepEqual(
    full.outcomes.filter(({ outcome }) => reasonOf(outcome) === 'gave-way').map(({ friend }) => friend),
    [idleId]
  )
})

test('if nobody else wants a place, a slow session goes on after its turn', async (t) => {
  const ingest = () => delay(300).then(() => ({ ok: true }))
  const [a, b] = await pair(t, { own: [1] }, { ports: { ingest }, limits: { sessions: 1, turnMs: 50 } })
  assert.equal((await a.sync.sync(b.id)).kind, 'done')
})

test('a friend that is not there, or does not speak the protocol, is unreachable', async (t) => {
  const a = await start(t)
  const silent = await plainNode(t)
  await a.libp2p.dial(silent.getMultiaddrs())
  assert.equal(reasonOf(await a.sync.sync(silent.peerId.toString() as PeerId)), 'unreachable')
  await silent.stop()
  assert.equal(reasonOf(await a.sync.sync(silent.peerId.toString() as PeerId)), 'unreachable')
})

test('no more is read from the ledger and sent than the window allows while the friend does not deal with it', async (t) => {
  const gate = Promise.withResolvers<void>()
  let served = 0
  function* serve(_friend: PeerId, refs: readonly number[]) {
    for (const name of refs) {
      const bytes = envelope(name, 1000)
      served += bytes.length
      yield bytes
    }
  }
  const limits = { windowBytes: 256 * 1024, batchBytes: 16 * 1024 }
  const received: number[] = []
  const ingest = async (bytes: Uint8Array) => {
    await gate.promise
    received.push(bytes.length)
    return { ok: true }
  }
  const [a, b] = await pair(t, { own: range(0, 3000), ports: { serve }, limits }, { ports: { ingest } })
  const session = a.sync.sync(b.id)
  await until(() => served > limits.windowBytes - 2 * limits.batchBytes, 'the window to be full')
  await delay(200)
  assert.ok(served <= limits.windowBytes + 2 * limits.batchBytes, `${served} bytes read`)
  gate.resolve()
  assert.deepEqual([(await session).kind, received.length], ['done', 3000])
})

test('while we deal with a frame, however long, the friend is not idle', async (t) => {
  const ingest = () => delay(250).then(() => ({ ok: true }))
  const few = { reportsPerFrame: 5, idleMs: 200 }
  const [a, b] = await pair(
    t,
    { own: range(0, 15), limits: { reportsPerFrame: 5 } },
    { ports: { ingest }, limits: few }
  )
  assert.equal(reasonOf(await a.sync.sync(b.id)), 'done')
})

test('the largest envelopes pass, one that our hop made too large is left out', async (t) => {
  const sizes = [128 * 1024, 128 * 1024 + 1, 128 * 1024, 200]
  const sent: number[] = []
  const serve = (_friend: PeerId, refs: readonly number[]) => refs.map((name) => envelope(name, sizes[name])).values()
  const ingest = (bytes: Uint8Array) => Promise.resolve({ ok: sent.push(bytes.length) > 0 })
  const [a, b] = await pair(t, { own: range(0, 4), ports: { serve } }, { ports: { ingest } })
  const outcome = await a.sync.sync(b.id)
  assert.deepEqual([outcome.kind, outcome.sent], ['done', 3])
  assert.deepEqual(sent, [128 * 1024, 128 * 1024, 200])
})

test('reports that are gone by the time they are served are left out', async (t) => {
  const serve = (_friend: PeerId, refs: readonly number[]) =>
    refs
      .slice(1)
      .map((name) => envelope(name))
      .values()
  const [a, b] = await pair(t, { own: range(0, 10), ports: { serve } }, {})
  const outcome = await a.sync.sync(b.id)
  assert.deepEqual([outcome.kind, outcome.sent], ['done', 9])
})

test('a session that breaks off keeps what came, and the next one brings only the rest', async (t) => {
  let left = 1000
  const names = new Set<number>()
  const ingest = async (bytes: Uint8Array) => {
    if (left-- > 0) names.add(Number(Buffer.from(bytes.subarray(0, 12)).toString()))
    else for (const connection of b.libp2p.getConnections()) connection.abort(new Error('cable cut'))
    return { ok: true }
  }
  const [a, b] = await pair(
    t,
    { own: range(0, 3000) },
    { ports: { ingest, holds: () => [pageOf([...names].map((name) => item(name, a.id)))] } }
  )
  const broken = await a.sync.sync(b.id)
  const other = await until(() => b.outcomes[0], 'the other side to notice')
  for (const end of [broken, other.outcome]) assert.ok(['connection-lost', 'cut-short'].includes(reasonOf(end)!))
  assert.equal(names.size, 1000)
  left = Infinity
  await until(() => a.libp2p.getConnections().length === 0, 'the old connection to be gone')
  await connect(a, b)
  const rest = await a.sync.sync(b.id)
  assert.deepEqual([rest.kind, rest.sent, names.size], ['done', 2000, 3000])
})

test('ingest can end a session when it has had enough', async (t) => {
  const ingest = () => Promise.resolve({ ok: false, stop: true })
  const [a, b] = await pair(t, { own: range(0, 3000) }, { ports: { ingest } })
  assert.equal(reasonOf(await a.sync.sync(b.id)), 'connection-lost')
  assert.equal(reasonOf((await until(() => b.outcomes[0], 'the outcome')).outcome), 'ingest-stopped')
})

for (const port of ['offers', 'holds', 'serve', 'ingest', 'progress'] as const) {
  test(`an exception of the port ${port} ends the session as our own fault, and is passed on`, async (t) => {
    const bug = new Error('bug')
    const broken = {
      [port]: () => {
        throw bug
      }
    }
    const [a, b] = await pair(t, { own: range(0, 10), ports: broken }, { own: range(20, 30) })
    const outcome = await a.sync.sync(b.id)
    assert.ok(outcome.kind === 'ended' && outcome.reason === 'internal-error')
    assert.equal(outcome.cause, bug)
    await until(() => b.outcomes[0], 'the other side to notice')
  })
}

test('a set that is too large to be reconciled is said, not tried', async (t) => {
  const limits = { reconcile: { ...SYNC_LIMITS.reconcile, items: 99 as never } }
  const [a, b] = await pair(t, { own: range(0, 99), limits }, { own: [] })
  assert.equal((await a.sync.sync(b.id)).kind, 'done')
  a.own.add(1000)
  assert.equal(reasonOf(await a.sync.sync(b.id)), 'too-many-items')
})

test('a session that ends while its sets are still read reads no further', async (t) => {
  let pages = 0
  function* endless() {
    for (;;) yield pageOf([item(pages++, 'a' as PeerId)])
  }
  const [a, b] = await pair(t, { ports: { offers: endless } }, {})
  const session = a.sync.sync(b.id)
  await until(() => pages > 10, 'some pages to be read')
  await a.sync.stop()
  assert.equal(reasonOf(await session), 'stopping')
  const read = pages
  await delay(0)
  assert.equal(pages, read)
})

test('stopping ends the sessions that are under way, and none starts any more', async (t) => {
  const ingest = () => delay(20).then(() => ({ ok: true }))
  const [a, b] = await pair(t, { own: range(0, 20_000) }, { ports: { ingest } })
  const session = a.sync.sync(b.id)
  await until(() => a.progress.length > 0, 'the session to be under way')
  await b.sync.stop()
  assert.equal(reasonOf(b.outcomes[0]?.outcome), 'stopping')
  assert.equal(reasonOf(await session), 'connection-lost')
  assert.equal(reasonOf(await b.sync.sync(a.id)), 'stopping')
  await until(async () => reasonOf(await a.sync.sync(b.id)) === 'busy', 'a refusal')
})

// Partners that lie, break off, flood or fall asleep. They speak over a raw stream.

type Raw = ReturnType<typeof lpStream<Stream>>

/** What a partner sends first as the one who opened the stream: that both sets are equal. */
const EQUAL = Uint8Array.of(3, ...new Uint8Array(16))
const NOTHING_MORE = Uint8Array.of(1)

function reconcile(offerer: 'initiator' | 'responder', message: Uint8Array): Frame {
  return { type: 'reconcile', offerer, message }
}

async function write(stream: Raw, ...frames: Frame[]): Promise<void> {
  for (const frame of frames) await stream.write(encodeFrame(frame))
}

/** A list of one item that we do not have, in the initiator's first message. */
const ONE_MORE = Uint8Array.of(3, ...new Uint8Array(16), 0, 2 << 5, 1, 1, 2, 3, 4, 5, 6, 7, 8)

const REPORT: Frame = { type: 'reports', envelopes: [envelope(1)] }

/** Of a partner that opened the session and then behaves like this, our session ends with that reason. */
const OPENERS: readonly (readonly [string, (stream: Raw) => Promise<unknown>, string, Partial<SyncLimits>?])[] = [
  ['says nothing', () => Promise.resolve(), 'idle', { idleMs: 100 }],
  ['closes at once', (stream) => stream.unwrap().close(), 'cut-short'],
  ['resets the stream', (stream) => Promise.resolve(stream.unwrap().abort(new Error('x'))), 'connection-lost'],
  ['sends an empty frame', (stream) => stream.write(new Uint8Array(0)), 'malformed-frame'],
  ['sends an unknown frame', (stream) => stream.write(Uint8Array.of(9)), 'malformed-frame'],
  ['sends random bytes', (stream) => raw(stream, Buffer.from('80808080808080808080', 'hex')), 'malformed-frame'],
  ['announces a frame of 1 GiB', (stream) => raw(stream, Buffer.from('8080808004', 'hex')), 'oversized-frame'],
  ['breaks off amid a frame', (stream) => cutShort(stream, Buffer.from('0a010203', 'hex')), 'cut-short'],
  ['says that it is busy, though it opened', (stream) => write(stream, { type: 'busy' }), 'unexpected-frame'],
  ['ends before anything was reconciled', (stream) => write(stream, { type: 'end' }), 'unexpected-frame'],
  ['sends reports before they are due', (stream) => write(stream, REPORT), 'unexpected-frame'],
  [
    'claims to have taken what was not sent',
    (stream) => write(stream, { type: 'taken', frames: 1 }),
    'unexpected-frame'
  ],
  [
    'sends no message of reconciliation',
    (stream) => write(stream, reconcile('initiator', Uint8Array.of(7))),
    'malformed'
  ],
  [
    'goes on with a reconciliation that is over',
    (stream) => write(stream, reconcile('initiator', EQUAL), reconcile('initiator', NOTHING_MORE)),
    'finished'
  ],
  [
    'sends a report more than it said that we lack',
    (stream) => write(stream, reconcile('initiator', ONE_MORE), reconcile('responder', EQUAL), REPORT, REPORT),
    'too-many-reports'
  ],
  [
    'sends reports after the end',
    (stream) => write(stream, reconcile('initiator', EQUAL), { type: 'end' }, REPORT),
    'unexpected-frame'
  ],
  [
    'ends twice',
    (stream) => write(stream, reconcile('initiator', EQUAL), { type: 'end' }, { type: 'end' }),
    'unexpected-frame'
  ],
  [
    'keeps back the report that it promised',
    (stream) => write(stream, reconcile('initiator', ONE_MORE), reconcile('responder', EQUAL)),
    'idle',
    { idleMs: 100 }
  ],
  ['sends one byte after the other', drip, 'idle', { idleMs: 300 }],
  ['takes its time for every frame', slowly, 'over-time', { idleMs: 1000, sessionMs: 500 }]
]

async function raw(stream: Raw, bytes: Uint8Array): Promise<void> {
  stream.unwrap().send(bytes)
}

async function cutShort(stream: Raw, bytes: Uint8Array): Promise<void> {
  stream.unwrap().send(bytes)
  await stream.unwrap().close()
}

async function drip(stream: Raw): Promise<void> {
  const inner = stream.unwrap()
  inner.send(Uint8Array.of(100))
  for (let i = 0; inner.status === 'open' && i < 100; i++) {
    inner.send(Uint8Array.of(1))
    await delay(50)
  }
}

async function slowly(stream: Raw): Promise<void> {
  const inner = stream.unwrap()
  const message = encodeFrame(reconcile('initiator', ONE_MORE))
  for (const frame of [message, encodeFrame(reconcile('responder', EQUAL))]) {
    inner.send(Buffer.concat([Uint8Array.of(frame.length), frame]))
    await delay(400)
  }
}

for (const [behaviour, behave, expected, limits] of OPENERS) {
  test(`a partner opens a session and ${behaviour}: ${expected}`, async (t) => {
    const node = await start(t, { own: range(0, 50), ...(limits && { limits }) })
    const partner = await plainNode(t)
    const stream = lpStream(await partner.dialProtocol(node.libp2p.getMultiaddrs(), PROTOCOL))
    await Promise.allSettled([behave(stream)])
    const { outcome } = await until(() => node.outcomes[0], 'the session to end')
    assert.equal(reasonOf(outcome), expected)
    await until(() => openStreams(node) === 0, 'the stream to be gone')
    const honest = await start(t, { own: range(100, 110) })
    await connect(honest, node)
    assert.equal((await honest.sync.sync(node.id)).kind, 'done')
    assertEqualSets(honest, node)
  })
}

function openStreams({ libp2p }: Node): number {
  return libp2p
    .getConnections()
    .flatMap(({ streams }) => streams)
    .filter(({ protocol }) => protocol === PROTOCOL).length
}

/** Of a partner with whom we opened a session. `first` has answered both our first messages as equal. */
const ANSWERERS: readonly (readonly [string, (stream: Raw) => Promise<unknown>, string, Partial<SyncLimits>?])[] = [
  ['says nothing', () => Promise.resolve(), 'idle', { idleMs: 100 }],
  ['is busy', (stream) => write(stream, { type: 'busy' }), 'busy'],
  [
    'is busy after it answered',
    (stream) => write(stream, reconcile('initiator', NOTHING_MORE), { type: 'busy' }),
    'unexpected-frame'
  ],
  ['sends a salt', (stream) => write(stream, reconcile('initiator', EQUAL)), 'malformed'],
  [
    'says that it is done and never closes',
    async (stream) => {
      const equal = [reconcile('initiator', NOTHING_MORE), reconcile('responder', NOTHING_MORE)]
      await write(stream, ...equal, { type: 'end' })
    },
    'done',
    { idleMs: 100 }
  ],
  [
    'closes when it has said all, though not when we have',
    async (stream) => {
      await write(stream, reconcile('initiator', NOTHING_MORE))
      await stream.read()
      await stream.unwrap().close()
    },
    'cut-short'
  ]
]

for (const [behaviour, behave, expected, limits] of ANSWERERS) {
  test(`we open a session and the partner ${behaviour}: ${expected}`, async (t) => {
    const node = await start(t, { own: range(0, 50), ...(limits && { limits }) })
    const partner = await plainNode(t)
    await partner.handle(PROTOCOL, async (stream) => {
      await Promise.allSettled([behave(lpStream(stream))])
    })
    await node.libp2p.dial(partner.getMultiaddrs())
    assert.equal(reasonOf(await node.sync.sync(partner.peerId.toString() as PeerId)), expected)
    await until(() => openStreams(node) === 0, 'the stream to be gone')
  })
}

test('a partner that closes its end and then resets the stream while we are busy is noticed at once', async (t) => {
  const gate = Promise.withResolvers<void>()
  let arrived = 0
  const ingest = async () => {
    arrived++
    await gate.promise
    return { ok: true }
  }
  const node = await start(t, { ports: { ingest } })
  const partner = await plainNode(t)
  const stream = lpStream(await partner.dialProtocol(node.libp2p.getMultiaddrs(), PROTOCOL))
  await write(stream, reconcile('initiator', ONE_MORE), reconcile('responder', EQUAL), REPORT)
  await until(() => arrived > 0, 'the report')
  await stream.unwrap().close()
  stream.unwrap().abort(new Error('reset'))
  await until(() => openStreams(node) === 0, 'the reset')
  gate.resolve()
  const { outcome } = await until(() => node.outcomes[0], 'the session to end', 2000)
  assert.equal(reasonOf(outcome), 'connection-lost')
})

test('a partner that speaks again before our reply is out is refused', async () => {
  const created = createDialogue({
    role: 'responder',
    friend: 'friend' as PeerId,
    ports: {
      offers: () => [],
      holds: () => [],
      serve: () => [],
      ingest: () => Promise.resolve({ ok: true }),
      progress: () => {},
      random: randomBytes
    },
    offers: toItemSet([]),
    holds: toItemSet([item(1, 'friend' as PeerId)]),
    limits: SYNC_LIMITS
  })
  assert.ok(created.ok)
  const { take, next } = created.value
  const frame = encodeFrame(reconcile('initiator', ONE_MORE))
  assert.equal(await take(frame), null)
  assert.equal(await take(frame), 'unexpected-frame')
  assert.notEqual(next(), null)
  assert.equal(await take(frame), 'finished')
})

test('a friend that serves more than it offered is stopped at the first report too many', async (t) => {
  let ingested = 0
  function* serve() {
    for (let name = 0; ; name++) yield envelope(name)
  }
  const ingest = () => Promise.resolve({ ok: ++ingested > 0 })
  const [a, b] = await pair(t, { own: range(0, 300), ports: { serve } }, { ports: { ingest } })
  await a.sync.sync(b.id)
  assert.equal(reasonOf((await until(() => b.outcomes[0], 'the outcome')).outcome), 'too-many-reports')
  assert.ok(ingested <= 300)
})

test('a friend that does not care for the window is cut off before much of it is in memory', async (t) => {
  const gate = Promise.withResolvers<void>()
  const ingest = () => gate.promise.then(() => ({ ok: true }))
  const limits = { windowBytes: 2 ** 30 }
  const own = range(0, 40_000)
  const [a, b] = await pair(t, { own, limits }, { ports: { ingest } })
  const session = a.sync.sync(b.id)
  await until(() => openStreams(b) > 0, 'the session')
  assert.equal(reasonOf(await session), 'connection-lost')
  gate.resolve()
  assert.equal(reasonOf((await until(() => b.outcomes[0], 'the outcome')).outcome), 'flood')
})

test('frames up to the limit are taken, larger ones are not', async (t) => {
  const frame = encodeFrame({ type: 'reports', envelopes: [new Uint8Array(1000)] })
  const results = []
  for (const frameBytes of [frame.length, frame.length - 1]) {
    const node = await start(t, { limits: { frameBytes } })
    const partner = await plainNode(t)
    const stream = lpStream(await partner.dialProtocol(node.libp2p.getMultiaddrs(), PROTOCOL))
    await stream.write(frame)
    results.push(reasonOf((await until(() => node.outcomes[0], 'the session to end')).outcome))
  }
  assert.deepEqual(results, ['unexpected-frame', 'oversized-frame'])
})
