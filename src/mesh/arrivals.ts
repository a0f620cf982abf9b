/**
 * How often strangers may come: TCP connections, and streams on them, by the host they come from. What is too much is
 * refused before libp2p spends anything on it: an inbound connection costs it a timer and some ten kilobytes for five
 * seconds even if the gate refuses it.
 */
import type { Connection, Listener, CreateListenerOptions, Transport, Upgrader } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import type { Multiaddr } from '@multiformats/multiaddr'
import { admit, type RateState } from '../core/rate.ts'
import type { PeerId } from '../core/report.ts'
import { hostOf } from './gate.ts'
import type { MeshLimits } from './limits.ts'

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
}

export function createArrivals(options: ArrivalsOptions): Arrivals {
  const { limits, now } = options
  let second = 0
  let total = 0
  let byHost = new Map<string, number>()
  let streams = new Map<string, RateState>()

  /** Remembers only hosts whose bucket is not full again: at most so many as came within the time that takes. */
  function forgetRested(): void {
    if (streams.size < limits.streamHosts) return
    const nowUs = now() * 1000
    streams = new Map([...streams].filter(([, state]) => state > nowUs))
    // All of them at once: then everybody begins anew, which costs less than to remember without bound.
    if (streams.size >= limits.streamHosts) streams.clear()
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
      const host = hostOf(connection.remoteAddr)
      if (!streams.has(host)) forgetRested()
      const rate = { perSecond: limits.streamsPerSecond, burst: limits.streamBurst }
      const { admitted, state } = admit(streams.get(host) ?? 0, rate, now())
      streams.set(host, state)
      return admitted
    }
  }
}

/** TCP, with a look at who comes before anything else is done. */
export function guardedTcp(
  admits: Arrivals['admitsConnection']
): (all: Parameters<ReturnType<typeof tcp>>[0]) => Transport {
  return (all) => {
    const transport = tcp()(all)
    const create = transport.createListener.bind(transport)
    return Object.assign(transport, {
      createListener: (options: CreateListenerOptions): Listener =>
        create({ ...options, upgrader: guarded(options.upgrader, admits) })
    })
  }
}

function guarded(upgrader: Upgrader, admits: Arrivals['admitsConnection']): Upgrader {
  const inbound: Upgrader['upgradeInbound'] = (connection, options) =>
    admits(connection.remoteAddr)
      ? upgrader.upgradeInbound(connection, options as never)
      : Promise.reject(new Error('too many connections'))
  return Object.assign(Object.create(upgrader) as Upgrader, { upgradeInbound: inbound })
}
