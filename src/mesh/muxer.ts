/**
 * yamux, with one hole filled. Version 8.0.3 opens a stream in a microtask of its own; if the connection ends before that
 * runs, the error is nobody's and ends the process. Here it ends the stream.
 */
import { yamux, type YamuxMuxerInit } from '@libp2p/yamux'

type Factory = ReturnType<typeof yamux>

export function safeYamux(init: YamuxMuxerInit): Factory {
  return () => {
    const factory = yamux(init)()
    const create = factory.createStreamMuxer.bind(factory)
    factory.createStreamMuxer = (connection) => guard(create(connection))
    return factory
  }
}

function guard(muxer: ReturnType<ReturnType<Factory>['createStreamMuxer']>): typeof muxer {
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
