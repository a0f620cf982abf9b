/** What the daemon shows: its state in the shapes of the control API, percent and seconds, names beside peer IDs. */
import type {
  Alert,
  Checked,
  EnforcementView,
  FriendView,
  HandoffViews,
  Status,
  SyncView,
  VerdictView,
  WebView,
  Why
} from '../control/api.ts'
import { coveringCidrs } from '../core/protection.ts'
import { suggestTrust } from '../core/record.ts'
import { confidence } from '../core/trust.ts'
import { ONE, type PeerId, type Ppm } from '../core/report.ts'
import type { Subject } from '../core/subject.ts'
import type { Holds } from '../store/holds.ts'
import type { Ledger, StoredClaim } from '../store/ledger.ts'
import type { StoredPath } from '../store/paths.ts'
import type { StoredVerdict, Verdicts } from '../store/verdicts.ts'
import type { Config } from './config.ts'
import type { Counters } from './counters.ts'
import type { Friend, Friends } from './friends.ts'
import type { Judging } from './judging.ts'

/** What the mesh knows about the link with a friend. */
export interface Link {
  readonly connected: boolean
  /** It is there, and has not added us. */
  readonly waiting: boolean
  readonly addresses: readonly string[]
  /** Unix ms. */
  readonly lastSeen: number | null
  readonly rttMs: number | null
}

export interface ViewOptions {
  readonly self: PeerId
  readonly version: string
  /** Unix ms at which the daemon started. */
  readonly startedAt: number
  readonly ledger: Ledger
  readonly verdicts: Verdicts
  readonly judging: Judging
  readonly friends: Friends
  readonly counters: Counters
  readonly holds: Pick<Holds, 'paused' | 'isFlushed' | 'count'>
  alerts(): readonly Alert[]
  config(): Config
  record(friend: PeerId): { readonly confirmed: number; readonly disputed: number }
  link(friend: PeerId): Link
  /** Unix ms until which its breaker pauses a friend, or null. */
  pausedUntil(friend: PeerId): number | null
  listening(): readonly string[]
  dht(): Promise<{ readonly peers: number; readonly protocol: string }>
  handoff(): HandoffViews
  enforcement(): readonly EnforcementView[]
  sync(): readonly SyncView[]
  /** Who behaves like a friend and is none; times in Unix ms. */
  knocks(): readonly { readonly id: string; readonly address: string; readonly last: number; readonly count: number }[]
  reachability(): Status['reachability']
  lastError(): string | null
  web(): WebView | null
  now(): number
}

export interface Views {
  status(): Promise<Status>
  friends(): FriendView[]
  verdicts(all: boolean): VerdictView[]
  /** What is said about the subject itself: the audit log needs no more, and 80 CIDRs may cover an IPv6 address. */
  judged(subject: Subject): Omit<Why, 'coveredBy'>
  why(subject: Subject): Why
  check(subject: Subject): Checked
}

export function createViews(options: ViewOptions): Views {
  const { self, ledger, verdicts, judging, friends, counters, holds } = options

  function friendView(friend: Friend): FriendView {
    const { id, name, trust, observe, paused } = friend
    const { connected, waiting, addresses, lastSeen, rttMs } = options.link(id)
    const pausedUntil = options.pausedUntil(id)
    const record = options.record(id)
    const suggested = suggestTrust(record)
    return {
      id,
      name,
      trust: percent(trust),
      observe,
      paused: paused || pausedUntil !== null,
      pausedUntil: pausedUntil === null ? null : Math.ceil(pausedUntil / 1000),
      connected,
      waiting,
      addresses,
      lastSeen: lastSeen === null ? null : Math.floor(lastSeen / 1000),
      rttMs,
      stats: { ...counters.friend(id), ...record },
      suggestedTrust: suggested === null ? null : percent(suggested)
    }
  }

  /** The way from us to the origin: each node with the trust that the one before it has in it. */
  function pathView(origin: PeerId, { friend, hops }: StoredPath): Why['evidence'][number]['path'] {
    const ours = friends.get(friend)?.trust ?? 0
    const nodes = [{ peer: friend as string, trust: ours }]
    for (let i = hops.length - 1; i >= 0; i--) {
      nodes.push({ peer: i === 0 ? origin : hops[i - 1]!.peer, trust: hops[i]!.trust })
    }
    return nodes.map(({ peer, trust }) => ({ peer, name: friends.get(peer)?.name ?? null, trust: percent(trust) }))
  }

  function evidenceView({ origin, jail, until, own, paths }: StoredClaim): Why['evidence'][number][] {
    if (own !== null) return [{ origin, jail, until, confidence: percent(ONE), path: [] }]
    return paths.flatMap((path) => {
      const friend = friends.get(path.friend)
      if (friend === undefined || friend.paused) return []
      const sure = confidence({ friend: friend.id, trust: friend.trust, hops: path.hops })
      return [{ origin, jail, until, confidence: percent(sure), path: pathView(origin, path) }]
    })
  }

  function judged(subject: Subject): Omit<Why, 'coveredBy'> {
    const { verdict, claims, stored } = judging.explain(subject)
    return {
      subject,
      heldBack: stored?.handOff === true ? heldBack(subject) : null,
      score: percent(stored?.score ?? 0),
      threshold: percent(verdict.threshold),
      accepted: stored?.accepted ?? false,
      reason: stored?.reason ?? verdict.reason,
      until: stored?.until ?? null,
      evidence: claims.flatMap(evidenceView)
    }
  }

  function heldBack(subject: Subject): Why['heldBack'] {
    if (options.config().policy.mode === 'observe') return 'observed'
    if (verdicts.get(subject)?.handOff === true) return null
    if (holds.isFlushed(subject)) return 'flushed'
    return holds.paused() ? 'paused' : null
  }

  function coverOf(subject: Subject): Subject | null {
    return coveringCidrs(subject).find((cidr) => verdicts.get(cidr)?.accepted) ?? null
  }

  return {
    async status() {
      const { network, policy, discovery } = options.config()
      const all = friends.all()
      return {
        peerId: self,
        version: options.version,
        network,
        uptimeSeconds: Math.floor((options.now() - options.startedAt) / 1000),
        mode: policy.mode,
        paused: holds.paused(),
        listen: options.listening(),
        friends: { total: all.length, connected: all.filter(({ id }) => options.link(id).connected).length },
        dht: { enabled: discovery.dht, ...(await options.dht()) },
        ...ledger.counts(),
        verdicts: verdicts.counts(),
        handoff: options.handoff(),
        enforcement: options.enforcement(),
        flushed: holds.count(),
        alerts: options.alerts(),
        sync: options.sync(),
        knocks: options.knocks().map(({ id, address, last, count }) => ({
          id,
          address,
          lastSeen: Math.floor(last / 1000),
          count
        })),
        reachability: options.reachability(),
        refused: Object.fromEntries(counters.refused()),
        web: options.web(),
        lastError: options.lastError()
      }
    },
    friends: () => friends.all().map(friendView),
    verdicts: (all) => [...verdicts.all()].filter(({ accepted }) => all || accepted).map(verdictView),
    judged,
    why: (subject) => ({ ...judged(subject), coveredBy: coverOf(subject) }),
    check(subject) {
      const by = verdicts.get(subject)?.accepted ? subject : coverOf(subject)
      return { subject, banned: by !== null, by }
    }
  }
}

function verdictView({ subject, score, accepted, until, origins, own }: StoredVerdict): VerdictView {
  return { subject, score: percent(score), accepted, until, origins, source: own ? 'own' : 'mesh' }
}

function percent(ppm: Ppm): number {
  return ppm / 10_000
}
