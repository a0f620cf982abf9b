/**
 * Gossip with friends, one hop at a time: a message goes to every friend who is there, and whoever gets it publishes its
 * own envelope with one more hop instead of passing ours on. So the topic validator ingests the message and then says
 * Ignore; Accept, with which gossipsub would forward the raw bytes, is never said.
 *
 * What a lost message means. `publish` sends to all friends with an open stream. A friend whose stream broke just then
 * misses it; if the stream is back within three heartbeats (3 s), the publisher offers the message again by IHAVE and
 * the friend fetches it by IWANT: the publisher keeps what it published, receivers keep nothing, because of Ignore. What
 * takes longer than that is for sync to repair.
 */
import { createHash } from 'node:crypto'
import {
  gossipsub,
  StrictNoSign,
  TopicValidatorResult,
  type GossipSub,
  type GossipSubComponents
} from '@chainsafe/libp2p-gossipsub'
import type { PeerId } from '../core/report.ts'
import type { Registrar } from './friends-only.ts'
import type { MeshLimits } from './limits.ts'
import type { Links } from './links.ts'
import { paceReading } from './pace.ts'

const PROTOCOL = '/meshsub/1.2.0'

export interface GossipOptions {
  readonly network: string
  readonly limits: MeshLimits
  readonly links: Links
  isFriend(peer: PeerId): boolean
  /** The one way in. It must not reject. */
  readonly onMessage: (message: Uint8Array, from: PeerId) => Promise<'ignore' | 'reject'>
  /** A publish reaches this friend from now on, or no longer. */
  onReady(friend: PeerId, ready: boolean): void
}

export interface Gossip {
  readonly topic: string
  /** libp2p's service factory. */
  readonly service: (components: GossipSubComponents, friends: Registrar) => GossipSub
  /** Joins the topic, once libp2p has started. */
  start(): void
  /** The number of friends to whom it was sent; 0, without an error, if nobody is there or it was published before. */
  readonly publish: (message: Uint8Array) => Promise<number>
  isReady(friend: PeerId): boolean
  /** To be called before libp2p stops: gossipsub 17.1 leaves a timer of its heartbeat running for up to a second. */
  stop(): void
}

/** How messages go, whoever they are from. */
export const ROUTING = {
  globalSignaturePolicy: StrictNoSign,
  fallbackToFloodsub: false,
  allowPublishToZeroTopicPeers: true,
  ignoreDuplicatePublishError: true,
  floodPublish: true,
  // Every friend is sent to, and nothing is forwarded: a mesh would only cost control messages. With an empty one every
  // friend is offered what it missed.
  D: 0,
  Dlo: 0,
  Dhi: 0,
  Dscore: 0,
  Dout: 0,
  gossipFactor: 1,
  idontwantMinDataSize: Infinity,
  tagMeshPeers: false,
  batchPublish: true,
  // Friends are chosen by the operator and bounded by our own limits. A score could only silence one by accident: for
  // sharing an address with others, or for messages lost in a broken connection.
  scoreParams: { IPColocationFactorWeight: 0, behaviourPenaltyWeight: 0 }
} as const

export function createGossip(options: GossipOptions): Gossip {
  const { limits, links } = options
  const topic = `/banmesh/${options.network}/reports/1`
  const ready = new Set<PeerId>()
  let router: GossipSub
  let self: PeerId

  /** gossipsub knows the friend's subscription, and we have a stream on which ours has been sent. */
  function check(friend: PeerId): void {
    const now =
      links.state(friend) === 'open' && router.getSubscribers(topic).some((peer) => peer.toString() === friend)
    if (now === ready.has(friend)) return
    if (now) {
      ready.add(friend)
      links.settled(friend)
    } else ready.delete(friend)
    options.onReady(friend, now)
  }

  /**
   * The hash of the sender and the data. Of the data alone, any friend could take another friend's message, send it as
   * its own, have it refused, and thereby have the true one dropped as a duplicate. Nothing is ever forwarded, so both
   * ends of a hop still agree on the id.
   */
  function messageId(data: Uint8Array): Uint8Array {
    return createHash('sha256')
      .update(links.sender() ?? '')
      .update(data)
      .digest()
  }

  return {
    topic,
    service(components, friends) {
      self = components.peerId.toString() as PeerId
      router = gossipsub({
        ...ROUTING,
        msgIdFn: ({ data }) => messageId(data),
        allowedTopics: [topic],
        // Each message leaves an entry for so long, whatever became of it. IHAVE offers nothing that is older than 3 s.
        seenTTL: limits.gossipSeenMs,
        maxInboundStreams: limits.connectionsPerFriend,
        maxInboundDataLength: limits.gossipFrameBytes,
        maxOutboundBufferSize: limits.gossipBufferBytes,
        decodeRpcLimits: {
          maxMessages: limits.gossipItemsPerFrame,
          maxIhaveMessageIDs: limits.gossipItemsPerFrame,
          maxIwantMessageIDs: limits.gossipItemsPerFrame,
          maxIdontwantMessageIDs: limits.gossipControlsPerFrame,
          maxSubscriptions: limits.gossipControlsPerFrame,
          maxControlMessages: limits.gossipControlsPerFrame,
          maxPeerInfos: 0
        }
      })({
        privateKey: components.privateKey,
        peerId: components.peerId,
        peerStore: components.peerStore,
        connectionManager: components.connectionManager,
        logger: components.logger,
        registrar: links.wrap(friends, check)
      })
      router.protocols = [PROTOCOL]
      paceReading(router)
      router.topicValidators.set(topic, async (peer, { data }) => {
        const from = peer.toString() as PeerId
        if (!options.isFriend(from)) return TopicValidatorResult.Ignore
        if (data.byteLength > limits.messageBytes) return TopicValidatorResult.Reject
        return (await options.onMessage(data, from)) === 'reject'
          ? TopicValidatorResult.Reject
          : TopicValidatorResult.Ignore
      })
      router.addEventListener('subscription-change', ({ detail }) => check(detail.peerId.toString() as PeerId))
      return router
    },
    start: () => router.subscribe(topic),
    async publish(message) {
      // It may be called while another's message is worked on, and then be taken for that one's.
      const { recipients } = await links.as(self, () => router.publish(topic, message))
      return recipients.length
    },
    isReady: (friend) => ready.has(friend),
    stop() {
      const { status } = router as unknown as { status: { heartbeatTimeout?: NodeJS.Timeout } }
      clearTimeout(status.heartbeatTimeout)
    }
  }
}
