/**
 * Sync between friends: `/banmesh/<network>/sync/1.0.0`, one session per friend at a time, in which both learn and get what
 * they lack. When to sync is not decided here; how a session goes is in src/mesh/sync-session.ts.
 */
import { once } from 'node:events'
import type { Connection, Stream } from '@libp2p/interface'
import { messageStreamToDuplex } from '@libp2p/utils'
import * as lengthPrefixed from 'it-length-prefixed'
import { pipe } from 'it-pipe'
import type { PeerId } from '../core/report.ts'
import type { MeshNode } from './node.ts'
import type { SyncPorts } from './sync-dialogue.ts'
import { encodeFrame, type Offerer } from './sync-frames.ts'
import { SYNC_LIMITS, type SyncLimits } from './sync-limits.ts'
import { runSession, type SyncEnd, type SyncOutcome } from './sync-session.ts'

export interface SyncOptions {
  readonly network: string
  readonly self: PeerId
  readonly streams: Pick<MeshNode, 'handle' | 'openStream'>
  readonly ports: SyncPorts
  readonly limits?: Partial<SyncLimits>
  /** Whether a friend may open a session now: each costs a look at everything that we have. Else it is told to come later. */
  admits?(friend: PeerId): boolean
  /** Every session's outcome, whoever opened it. */
  ended(friend: PeerId, outcome: SyncOutcome): void
}

export interface Sync {
  /** Takes sessions that friends open. */
  start(): Promise<void>
  /** Ends all sessions, and waits for that. */
  stop(): Promise<void>
  /** Opens a session with a connected friend; `busy` if one is under way or the friend says so, `at-capacity`: try later. */
  sync(friend: PeerId): Promise<SyncOutcome>
}

interface Running {
  readonly role: Offerer
  readonly outcome: Promise<SyncOutcome>
  /** It has had its turn: from now on it may have to give way. */
  ripe: boolean
  bytes(): number
  end(reason: SyncEnd): void
}

export function createSync({ network, self, streams, ports, ended, ...options }: SyncOptions): Sync {
  const limits: SyncLimits = { ...SYNC_LIMITS, ...options.limits }
  const protocol = `/banmesh/${network}/sync/1.0.0`
  const running = new Map<PeerId, Running>()
  let stopping = false

  /** Puts a session in the friend's place, from before its stream is open until its outcome has been told. */
  function run(friend: PeerId, role: Offerer, open: (signal: AbortSignal) => Promise<Stream>): Promise<SyncOutcome> {
    const opening = new AbortController()
    let end = (reason: SyncEnd): void => opening.abort(reason)
    let bytes = (): number => 0
    const outcome = start()
    const session: Running = { role, outcome, ripe: false, bytes: () => bytes(), end: (reason) => end(reason) }
    running.set(friend, session)
    const ripening = setTimeout(() => (session.ripe = true), limits.turnMs).unref()
    return outcome

    async function start(): Promise<SyncOutcome> {
      const result = await converse()
      clearTimeout(ripening)
      if (running.get(friend) === session) running.delete(friend)
      ended(friend, result)
      return result
    }

    async function converse(): Promise<SyncOutcome> {
      let stream: Stream
      try {
        stream = await open(AbortSignal.any([opening.signal, AbortSignal.timeout(limits.openMs)]))
      } catch {
        return endedBefore(opening.signal.aborted ? (opening.signal.reason as SyncEnd) : 'unreachable')
      }
      const talk = runSession(stream, { role, friend, ports, limits })
      end = talk.end
      bytes = talk.bytes
      if (opening.signal.aborted) end(opening.signal.reason as SyncEnd)
      return talk.outcome
    }
  }

  /** A friend that is slow, or pretends to be, keeps its place only while nobody else wants it. */
  function makeRoom(): boolean {
    if (running.size < limits.sessions) return true
    let slowest: [PeerId, Running] | null = null
    for (const entry of running) {
      if (entry[1].ripe && (slowest === null || entry[1].bytes() < slowest[1].bytes())) slowest = entry
    }
    if (slowest === null) return false
    running.delete(slowest[0])
    slowest[1].end('gave-way')
    return true
  }

  async function accept(stream: Stream, { remotePeer }: Connection): Promise<void> {
    const friend = remotePeer.toString() as PeerId
    const other = running.get(friend)
    // Both opened one at the same time: the one of the smaller peer ID stays.
    const replaces = other?.role === 'initiator' && friend < self
    if (options.admits?.(friend) === false) return sayBusy(stream)
    if (stopping || (other !== undefined ? !replaces : !makeRoom())) return sayBusy(stream)
    other?.end('superseded')
    await run(friend, 'responder', () => Promise.resolve(stream))
  }

  async function sayBusy(stream: Stream): Promise<void> {
    try {
      const duplex = messageStreamToDuplex(stream)
      await pipe([encodeFrame({ type: 'busy' })], (frames) => lengthPrefixed.encode(frames), duplex.sink)
      // An abort right now could overtake the frame.
      if (stream.status === 'open') await once(stream, 'close', { signal: AbortSignal.timeout(limits.idleMs) })
    } finally {
      stream.abort(new Error('sync: busy'))
    }
  }

  return {
    start: () => streams.handle(protocol, accept, { maxInboundStreams: limits.streamsPerConnection }),
    async stop() {
      stopping = true
      const sessions = [...running.values()]
      for (const { end } of sessions) end('stopping')
      await Promise.all(sessions.map(({ outcome }) => outcome))
    },
    async sync(friend) {
      if (stopping) return endedBefore('stopping')
      if (running.has(friend)) return endedBefore('busy')
      if (!makeRoom()) return endedBefore('at-capacity')
      return run(friend, 'initiator', (signal) => streams.openStream(friend, protocol, { signal }))
    }
  }
}

function endedBefore(reason: SyncEnd): SyncOutcome {
  return { kind: 'ended', reason, sent: 0, received: 0, accepted: 0, rounds: 0, bytes: 0 }
}
