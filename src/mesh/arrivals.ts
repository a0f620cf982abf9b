/**
 * How often others may come: TCP connections, streams on them, and DHT queries on these, by the host they come from. What is
 * too much is refused before libp2p spends anything on it: an inbound connection costs it a timer and some ten kilobytes for
 * five seconds even if the gate refuses it.
 */
import type {
  Connection,
  CreateListenerOptions,
  DialTransportOptions,
  Listener,
  PeerId as Libp2pPeerId,
  Transport,
  Upgrader
} from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import type { Multiaddr } from '@multiformats/multiaddr'
import { admit, type RateLimit, type RateState } from '../core/rate.ts'
import type { PeerId } from '../core/report.ts'
import { hostOf } from './gate.ts'
import type { MeshLimits } from './limits.ts'
import { endAfterAnswers } from './muxer.ts'
import { inOnePacket } from './packets.ts'

const SECOND_MS = 1000

export interface ArrivalsOptions {
  readonly limits: MeshLimits
  /** Unix ms. */
  readonly now: () => number
  readonly isFriend: (peer: PeerId) => boolean
  /** Whether a friend was last known at this host (as `hostOf` spells it). */
  isFriendHost(host: string): boolean
  connections(): readonly Pick<Connection, 'remotePeer' | 'remoteAddr' | 'streams'>[]
}

export interface Arrivals {
  /** Whether one more inbound connection may come from there now. */
  admitsConnection(from: Multiaddr): boolean
  /** Whether one more stream may be opened on the connection with these streams. A friend's always may. */
  admitsStream(streams: Connection['streams']): boolean
  /** Whether the peer may ask our DHT once more. That is for friends too: no honest node asks as often. */
  admitsQuery(peer: Libp2pPeerId): boolean
}

export function createArrivals(options: ArrivalsOptions): Arrivals {
  const { limits, now } = options
  let second = 0
  let total = 0
  let byHost = new Map<string, number>()
  const admitsStreamOf = rateByHost({ perSecond: limits.streamsPerSecond, burst: limits.streamBurst })
  const admitsQueryOf = rateByHost({ perSecond: limits.queriesPerSecond, burst: limits.queryBurst })

  /** Remembers only hosts whose bucket is not full again: at most so many as came within the time that takes. */
  function rateByHost(rate: RateLimit): (host: string) => boolean {
    let states = new Map<string, RateState>()
    function forgetRested(): void {
      if (states.size < limits.streamHosts) return
      const nowUs = now() * 1000
      states = new Map([...states].filter(([, state]) => state > nowUs))
      // All of them at once: then everybody begins anew, which costs less than to remember without bound.
      if (states.size >= limits.streamHosts) states.clear()
    }
    return (host) => {
      if (!states.has(host)) forgetRested()
      const { admitted, state } = admit(states.get(host) ?? 0, rate, now())
      states.set(host, state)
      return admitted
    }
  }

  return {
    admitsConnection(from) {
      const current = Math.floor(now() / SECOND_MS)
      if (current !== second) {
        second = current
        total = 0
        byHost = new Map()
      }
      const host = hostOf(from)
      const count = (byHost.get(host) ?? 0) + 1
      if (count > limits.newConnectionsPerHost) return false
      if (!options.isFriendHost(host) && ++total > limits.newConnections) return false
      byHost.set(host, count)
      return true
    },
    admitsStream(theirs) {
      const connection = options.connections().find((one) => one.streams === theirs)
      // Before it is known yamux holds back a few streams, and ends a connection with more.
      if (connection === undefined || options.isFriend(connection.remotePeer.toString() as PeerId)) return true
      return admitsStreamOf(hostOf(connection.remoteAddr))
    },
    admitsQuery(peer) {
      const connection = options.connections().find(({ remotePeer }) => remotePeer.equals(peer))
      return connection !== undefined && admitsQueryOf(hostOf(connection.remoteAddr))
    }
  }
}

/** TCP, with a look at who comes before anything else is done, and an end to handshakes that go on and on. */
export function guardedTcp(
  admits: Arrivals['admitsConnection'],
  handshakeAnswers: number
): (all: Parameters<ReturnType<typeof tcp>>[0]) => Transport {
  return (all) => {
    const transport = tcp()(all)
    const create = transport.createListener.bind(transport)
    const dial = transport.dial.bind(transport)
    return Object.assign(transport, {
      createListener: (options: CreateListenerOptions): Listener =>
        create({ ...options, upgrader: inOnePacket(guarded(options.upgrader, admits, handshakeAnswers)) }),
      dial: (to: Multiaddr, options: DialTransportOptions) =>
        dial(to, { ...options, upgrader: inOnePacket(options.upgrader) })
    })
  }
}

function guarded(upgrader: Upgrader, admits: Arrivals['admitsConnection'], handshakeAnswers: number): Upgrader {
  const inbound: Upgrader['upgradeInbound'] = async (connection, options) => {
    if (!admits(connection.remoteAddr)) throw new Error('too many connections')
    let isUpgraded = false
    endAfterAnswers(connection, handshakeAnswers, () => isUpgraded)
    await upgrader.upgradeInbound(connection, options as never)
    isUpgraded = true
  }
  return Object.assign(Object.create(upgrader) as Upgrader, { upgradeInbound: inbound })
}
