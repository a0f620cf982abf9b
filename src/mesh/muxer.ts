/**
 * yamux, with holes filled. Version 8.0.3 opens a stream in a microtask of its own; if the connection ends before that
 * runs, or before a stream is resumed (pace.ts), the error is nobody's and ends the process. Here it ends the stream. And it
 * lets the other side open streams as often as it likes. Here whoever asks too often loses the connection.
 *
 * It answers every frame with a window update, before anybody sees what was in the frame. Here it is once for half a window.
 *
 * multistream-select (1.x) answers each name of a protocol that we don't speak, as many as come, within one turn of the event
 * loop as far as they are there already: a quarter of a megabyte a second of them makes a node deaf. Here that ends.
 */
import type { MessageStream, Stream } from '@libp2p/interface'
import { yamux, type YamuxMuxerInit } from '@libp2p/yamux'

type Factory = ReturnType<typeof yamux>
type Muxer = ReturnType<ReturnType<Factory>['createStreamMuxer']>
type YamuxStream = ReturnType<Muxer['onCreateStream']>

/** What we use of a stream beyond its interface: its state, and how many bytes may still come of how many. */
interface Receiving {
  readonly state: number
  readonly recvWindowCapacity: number
  readonly recvWindow: number
}

/** yamux's `StreamState`, which is not exported. */
const ESTABLISHED = 3

interface Guards {
  /** Whether one more stream may be opened by the other side of the connection that has these. */
  readonly admits?: (streams: Stream[]) => boolean
  /** Answers on a stream of theirs until it is known what it is for. */
  readonly negotiationAnswers?: number
}

export function safeYamux(init: YamuxMuxerInit, guards: Guards = {}): Factory {
  return () => {
    const factory = yamux(init)()
    const create = factory.createStreamMuxer.bind(factory)
    factory.createStreamMuxer = (connection) => guard(create(connection), guards)
    return factory
  }
}

/** Aborts what has been answered so often, and still is not `over`. */
export function endAfterAnswers(stream: MessageStream, limit: number, over: () => boolean): void {
  const send = stream.send.bind(stream)
  let answers = 0
  stream.send = (data) => {
    if (!over() && ++answers > limit) {
      const error = new Error('too many protocols')
      stream.abort(error)
      throw error
    }
    return send(data)
  }
}

function guard(muxer: Muxer, { admits = () => true, negotiationAnswers = Infinity }: Guards): Muxer {
  const take = muxer.onRemoteStream.bind(muxer)
  muxer.onRemoteStream = (stream) => {
    // The muxer ends the connection with whatever its reading throws.
    if (!admits(muxer.streams)) throw new Error('too many streams a second')
    endAfterAnswers(stream, negotiationAnswers, () => stream.protocol !== '')
    take(safe(stream))
  }
  const createStream = muxer.onCreateStream.bind(muxer)
  muxer.onCreateStream = () => safe(createStream())
  return muxer
}

function safe(stream: YamuxStream): YamuxStream {
  const send = stream.sendWindowUpdate.bind(stream)
  const receiving = stream as unknown as Receiving
  stream.sendWindowUpdate = () => {
    if (receiving.state === ESTABLISHED && receiving.recvWindowCapacity > receiving.recvWindow / 2) return
    try {
      send()
    } catch (error) {
      stream.abort(error as Error)
    }
  }
  return stream
}
