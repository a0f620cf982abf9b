/**
 * The bounds of the mesh, one name each. `maxConnections` and `maxPendingHandshakes` are the operator's to set
 * (`limits:` in the config); the rest are here to be found, tested and, if need be, passed by a test.
 */
import { PROTOCOL_LIMITS } from '../core/limits.ts'

const KIB = 1024

export const MESH_LIMITS = {
  /** Connections, friends' and strangers'. Above it the idlest strangers are cut off; friends never are. */
  maxConnections: 300,
  /** Inbound connections whose peer ID is not proven yet. Hosts at which a friend was last known are not counted. */
  maxPendingHandshakes: 64,
  /** The same for one remote host (IPv4 address, IPv6 /64), friend or not, so that no host can take all places. */
  pendingHandshakesPerHost: 32,
  /**
   * New inbound connections a second from one remote host. libp2p's default of 5 resets friends behind one NAT and every
   * lab; a handshake costs about a millisecond of CPU, so this is a few percent of one core.
   */
  newConnectionsPerHost: 64,
  /** The same for all hosts together at which no friend was last known. */
  newConnections: 256,
  /** Connections of one peer at the same time. A friend needs two while both sides dial. */
  connectionsPerFriend: 4,
  connectionsPerStranger: 2,
  /** Streams that one connection may have open towards us: DHT queries in parallel, one for gossip, few for sync. */
  streamsPerConnection: 64,
  /** Streams that the strangers of one host may open a second, on all their connections, ... */
  streamsPerSecond: 100,
  /** ... and at once after a rest; beyond, the connection is cut. */
  streamBurst: 1000,
  /** Hosts whose streams, or DHT queries, are counted at the same time. */
  streamHosts: 4096,
  /** Queries that one host may ask of our DHT a second, friend or not, on however many streams, ... */
  queriesPerSecond: 100,
  /** ... and at once after a rest; beyond, the stream is reset. */
  queryBurst: 1000,
  /** Answers to whoever has not named a protocol yet that we speak: on a stream, ... */
  negotiationAnswers: 32,
  /** ... and in the handshake of a connection, with all that the handshake itself takes. */
  handshakeAnswers: 64,
  /** Of the streams of one connection, those of the DHT protocol. */
  dhtStreamsPerConnection: 16,
  /** Peers in libp2p's peer store. Anybody can put peers there, by connecting or by answering a DHT query. */
  knownPeers: 2000,
  /** Addresses of a friend that are tried or remembered. */
  addressesPerFriend: 8,
  /** Characters of an address that is remembered. */
  addressLength: 256,
  /** Peers that are remembered because they knocked: they behave like friends, and are none. */
  knocks: 32,
  /** Of these, from one remote host. */
  knocksPerHost: 4,
  /** New ones a minute; each is a line in the log. */
  newKnocksPerMinute: 10,

  /** Friends that may be reached through us at the same time. */
  relayReservations: 128,
  /** Relayed connections that one friend may have us open at the same time. */
  relayStreamsPerConnection: 32,
  /** Bytes, both ways together, of one relayed connection; beyond, it is cut and made anew. */
  relayedBytes: 256 * KIB * KIB,
  /** One relayed connection lasts no longer; then it is made anew. */
  relayedMs: 12 * 3_600_000,
  /** Friends through whom we can be reached, if we can't be directly. */
  relaysUsed: 3,
  /** Friends through whom we try to reach another one at a time. */
  relaysTried: 8,
  /** Between two looks at whether we need a relay. */
  relayCheckMs: 3000,
  /** One reservation with a relay. */
  reservationTimeoutMs: 5000,
  /** A friend that is connected through a relay only is dialled directly so often. */
  directRetryMs: 60_000,
  /** A friend found in the local network is dialled at most so often because of that. */
  hintIntervalMs: 10_000,

  /** A connection that a friend closes within that time, before gossip was ready, counts as refused. */
  refusedWithinMs: 5000,

  /** Bytes of one gossip message: an envelope. */
  messageBytes: PROTOCOL_LIMITS.envelopeBytes,
  /** Bytes of one gossipsub frame of a friend. An IWANT is answered with many messages in one frame. */
  gossipFrameBytes: 4 * KIB * KIB,
  /** Bytes waiting for one slow friend; beyond, its stream is reset and sync takes over. */
  gossipBufferBytes: 8 * KIB * KIB,
  /** Messages in one gossipsub frame, and message IDs in each of its control messages. */
  gossipItemsPerFrame: 5000,
  /** Subscriptions, and control messages of each kind, in one gossipsub frame. There is one topic. */
  gossipControlsPerFrame: 16,
  /** A message ID is remembered for so long. */
  gossipSeenMs: 15_000,

  /** A connection must have proven its peer ID and chosen its muxer by then. */
  handshakeTimeoutMs: 5000,
  /** One address of a peer, dialled. */
  addressDialTimeoutMs: 5000,
  /** All addresses of a friend that are known before the DHT is asked. */
  dialTimeoutMs: 15_000,
  /** One DHT query for a friend, with the dials to what it finds. */
  lookupTimeoutMs: 30_000,
  /** Opening a stream on a connection that is up. */
  streamTimeoutMs: 5000,
  /** A silent connection is pinged so often, ... */
  pingIntervalMs: 15_000,
  /** ... and given up if the answer takes longer. Generous: a busy node is not a dead one. */
  pingTimeoutMs: 15_000,
  /** Both sides accepted the gossip stream, but the friend's subscription does not come: the connection is made anew. */
  readyTimeoutMs: 20_000,
  /** Two connections with a friend: so long until the older one is closed. */
  surplusAfterMs: 1000,
  /** Everything is cut off if it has not stopped by itself. */
  stopTimeoutMs: 5000
} as const

export type MeshLimits = { readonly [Name in keyof typeof MESH_LIMITS]: number }
