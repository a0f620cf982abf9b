/**
 * One outbound gossip stream per connected friend, opened and kept open by us, between gossipsub and the registrar.
 * gossipsub alone opens streams one after the other, so a friend who accepts connections but answers nothing keeps all
 * others waiting; it opens no new one if a stream ends while another connection lives on; and it doesn't tell when a
 * stream is open. Here each friend's stream is opened by itself, and gossipsub gets it when it is ready.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { Connection, PeerId as Libp2pPeerId, Stream, StreamHandler, Topology } from '@libp2p/interface'
import type { PeerId } from '../core/report.ts'
import type { Registrar } from './friends-only.ts'

export interface LinksOptions {
  /** Open connections with the peer, the best last. */
  connections(peer: Libp2pPeerId): readonly Connection[]
  /** Ms to wait before try number `attempt` (from 0). */
  readonly delayMs: (attempt: number) => number
  readonly streamTimeoutMs: number
}

export interface Links {
  /** A registrar for gossipsub alone. `onChange` hears of every stream that opens or ends. */
  wrap(friends: Registrar, onChange: (peer: PeerId) => void): Registrar
  /**
   * `open`: messages to this friend have a stream. `closed`: none yet, or the friend refuses it (it has not added us); the
   * next try is due. `none`: nobody has told us that this peer speaks gossipsub.
   */
  state(peer: PeerId): 'open' | 'closed' | 'none'
  /** The stream has proven useful: if it ends, the next one is opened at once. */
  settled(peer: PeerId): void
  /** Whose message gossipsub is just working on; undefined outside its handlers and `as`. */
  sender(): PeerId | undefined
  /** Runs `work` as on a message of `sender`. */
  as<T>(sender: PeerId, work: () => T): T
  stop(): void
}

interface Link {
  readonly peer: Libp2pPeerId
  attempt: number
  stream?: Stream
  /** gossipsub has taken the stream. */
  taken: boolean
  retry?: NodeJS.Timeout
}

export function createLinks(options: LinksOptions): Links {
  const links = new Map<PeerId, Link>()
  const senders = new AsyncLocalStorage<PeerId>()
  let topology: Topology | undefined
  let protocols: string[] = []
  let changed: (peer: PeerId) => void = () => {}
  let stopped = false

  function link(peer: Libp2pPeerId): void {
    const id = peer.toString() as PeerId
    if (stopped || links.has(id)) return
    const fresh: Link = { peer, attempt: 0, taken: false }
    links.set(id, fresh)
    void open(id, fresh)
  }

  function unlink(id: PeerId): void {
    const gone = links.get(id)
    if (gone === undefined) return
    links.delete(id)
    clearTimeout(gone.retry)
    gone.stream?.abort(new Error('the friend is gone'))
    changed(id)
  }

  async function open(id: PeerId, entry: Link): Promise<void> {
    const connection = options.connections(entry.peer).at(-1)
    if (connection === undefined) return unlink(id)
    try {
      const signal = AbortSignal.timeout(options.streamTimeoutMs)
      const stream = await connection.newStream(protocols, { signal, runOnLimitedConnection: true })
      if (links.get(id) !== entry) stream.abort(new Error('no longer wanted'))
      // It may have ended already: libp2p hands it out some turns after it was opened.
      else if (isWritable(stream)) hand(id, entry, stream, connection)
      else later(id, entry)
    } catch {
      later(id, entry)
    }
  }

  /** Gives an open stream to gossipsub, which sends our subscription on it at once. */
  function hand(id: PeerId, entry: Link, stream: Stream, connection: Connection): void {
    entry.stream = stream
    stream.addEventListener('close', () => lost(id, entry, stream), { once: true })
    // gossipsub never writes on a stream that the other side has opened: if that end is closed, the friend has dropped us.
    stream.addEventListener('remoteCloseWrite', () => stream.abort(new Error('closed by the friend')), { once: true })
    // Should gossipsub not take it, because it still has an old one, it forgets the peer, and both sides begin again.
    entry.retry = setTimeout(() => {
      void topology?.onDisconnect?.(entry.peer)
      stream.abort(new Error('not taken by gossipsub'))
    }, options.streamTimeoutMs)
    const take = async (): Promise<Stream> => {
      if (!isWritable(stream)) throw new Error('the stream has ended')
      clearTimeout(entry.retry)
      entry.taken = true
      setImmediate(() => changed(id))
      return stream
    }
    void topology?.onConnect?.(entry.peer, withNewStream(connection, take))
  }

  function lost(id: PeerId, entry: Link, stream: Stream): void {
    if (links.get(id) !== entry || entry.stream !== stream) return
    delete entry.stream
    entry.taken = false
    later(id, entry)
    changed(id)
  }

  function later(id: PeerId, entry: Link): void {
    if (links.get(id) !== entry) return
    clearTimeout(entry.retry)
    const delay = entry.attempt === 0 ? 0 : options.delayMs(entry.attempt - 1)
    entry.attempt++
    entry.retry = setTimeout(() => void open(id, entry), delay)
  }

  /** An inbound stream has ended. gossipsub forgets a peer for that, and then closes our half of our own stream. */
  function checkHealth(id: PeerId): void {
    const stream = links.get(id)?.stream
    if (stream !== undefined && !isWritable(stream)) stream.abort(new Error('dropped by gossipsub'))
  }

  function handled(handler: StreamHandler): StreamHandler {
    return (stream, connection) => {
      const id = connection.remotePeer.toString() as PeerId
      stream.addEventListener('close', () => setImmediate(checkHealth, id), { once: true })
      link(connection.remotePeer)
      return senders.run(id, () => handler(stream, withNewStream(connection, refuseStream)))
    }
  }

  return {
    wrap(friends, onChange) {
      changed = onChange
      return {
        ...friends,
        handle: (protocol, handler, opts) => friends.handle(protocol, handled(handler), opts),
        async register(protocol, inner, opts) {
          topology = inner
          protocols = [protocol]
          return friends.register(
            protocol,
            {
              onConnect: (peer) => link(peer),
              onDisconnect(peer) {
                unlink(peer.toString() as PeerId)
                void inner.onDisconnect?.(peer)
                // libp2p tells it late: the peer may be back. Not at once, for this may be the first act of a removal.
                setImmediate(() => void (options.connections(peer).length > 0 && link(peer)))
              }
            },
            opts
          )
        }
      }
    },
    state(peer) {
      const found = links.get(peer)
      if (found === undefined) return 'none'
      return found.taken && found.stream !== undefined && isWritable(found.stream) ? 'open' : 'closed'
    },
    settled(peer) {
      const found = links.get(peer)
      if (found !== undefined) found.attempt = 0
    },
    sender: () => senders.getStore(),
    as: (sender, work) => senders.run(sender, work),
    stop() {
      stopped = true
      for (const id of links.keys()) unlink(id)
    }
  }
}

function isWritable({ status, writeStatus }: Stream): boolean {
  return status === 'open' && writeStatus === 'writable'
}

/** The connection as it is, but for the way in which streams are opened on it. */
function withNewStream(connection: Connection, newStream: Connection['newStream']): Connection {
  return Object.create(connection, { newStream: { value: newStream } }) as Connection
}

async function refuseStream(): Promise<never> {
  throw new Error('gossip streams are opened in mesh/links.ts')
}
