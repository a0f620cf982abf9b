/**
 * yamux, with two holes filled. Version 8.0.3 opens a stream in a microtask of its own; if the connection ends before that
 * runs, the error is nobody's and ends the process. Here it ends the stream. And it lets the other side open streams as
 * often as it likes. Here whoever asks too often loses the connection.
 */
import type { Stream } from '@libp2p/interface'
import { yamux, type YamuxMuxerInit } from '@libp2p/yamux'

type Factory = ReturnType<typeof yamux>
type Muxer = ReturnType<ReturnType<Factory>['createStreamMuxer']>

/** `admits`: whether one more stream may be opened by the other side of the connection that has these. */
export function safeYamux(init: YamuxMuxerInit, admits: (streams: Stream[]) => boolean = () => true): Factory {
  return () => {
    const factory = yamux(init)()
    const create = factory.createStreamMuxer.bind(factory)
    factory.createStreamMuxer = (connection) => guard(create(connection), admits)
    return factory
  }
}

function guard(muxer: Muxer, admits: (streams: Stream[]) => boolean): Muxer {
  const take = muxer.onRemoteStream.bind(muxer)
  muxer.onRemoteStream = (stream) => {
    // The muxer ends the connection with whatever its reading throws.
    if (!admits(muxer.streams)) throw new Error('too many streams a second')
    take(stream)
  }
  const createStream = muxer.onCreateStream.bind(muxer)
  muxer.onCreateStream = () => {
    const stream = createStream()
    const send = stream.sendWindowUpdate.bind(stream)
    stream.sendWindowUpdate = () => {
      try {
        send()
      } catch (error) {
        stream.abort(error as Error)
      }
    }
    return stream
  }
  return muxer
}
