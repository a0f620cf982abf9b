/**
 * gossipsub (17) deals with all frames of a friend that are here in one turn of the event loop. Empty ones cost a byte each:
 * a megabyte a second of them made a node deaf for half a minute. Here it is so many frames a turn, and while some wait no
 * more is read from the friend.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { GossipSub } from '@chainsafe/libp2p-gossipsub'
import type { PeerId as Libp2pPeerId, Stream } from '@libp2p/interface'

/** Frames of one friend in a turn of the event loop. A frame that says something takes some ten microseconds, and ingest more. */
const TURN_FRAMES = 64

/** What we use of gossipsub beyond its interface. */
interface Reading {
  readonly streamsInbound: ReadonlyMap<string, { readonly rawStream: Stream }>
  pipePeerReadStream(peer: Libp2pPeerId, frames: AsyncIterable<unknown>): Promise<void>
}

export function paceReading(router: GossipSub): void {
  const reading = router as unknown as Reading
  const read = reading.pipePeerReadStream.bind(router)
  reading.pipePeerReadStream = (peer, frames) => {
    const stream = reading.streamsInbound.get(peer.toString())?.rawStream
    return read(peer, stream === undefined ? frames : paced(stream, frames))
  }
}

async function* paced(stream: Stream, frames: AsyncIterable<unknown>): AsyncGenerator {
  const waiting = frames[Symbol.asyncIterator]()
  try {
    for (let inTurn = 1; ; inTurn++) {
      // What is here already comes before the next turn; if nothing does, the friend may go on.
      const late = stream.readStatus === 'paused' ? setImmediate(resume, stream) : undefined
      const { done, value } = await waiting.next()
      clearImmediate(late)
      if (done === true) return
      yield value
      if (inTurn < TURN_FRAMES) continue
      if (stream.readStatus === 'readable') stream.pause()
      await nextTurn()
      inTurn = 0
    }
  } finally {
    await waiting.return?.()
  }
}

function resume(stream: Stream): void {
  if (stream.readStatus === 'paused') stream.resume()
}
