/**
 * What an operator pastes to name a friend: a peer ID, a multiaddr that ends with one, or an invite, which is one line
 * with all that the friend's node needs:
 *
 *   banmesh:NETWORK:PEER_ID@ADDRESS,ADDRESS        (no `@` if there are no addresses: the DHT finds them)
 *
 * An invite is no secret and no permission: both sides still have to name each other.
 */
import { NETWORK_NAME } from '../core/limits.ts'
import type { PeerId } from '../core/report.ts'
import { ok, refuse, type Result } from '../core/result.ts'
import { parsePeerId } from '../wire/peer-id.ts'
import { MULTIADDR_LENGTH, parseDialAddress } from './multiaddrs.ts'
import { preferRoutable } from './own-addresses.ts'

/** Addresses in an invite. */
export const INVITE_ADDRESSES = 8
const INVITE_LENGTH = 200 + INVITE_ADDRESSES * (MULTIADDR_LENGTH + 1)

export interface Invite {
  readonly network: string
  readonly id: PeerId
  /** Multiaddrs without the peer ID. */
  readonly addresses: readonly string[]
}

/** Whom a text names; `network` is null where it does not say. */
export type FriendReference = Omit<Invite, 'network'> & { readonly network: string | null }

/** The addresses may end with the peer ID; those that only work on this machine are left out if there are others. */
export function formatInvite({
  network,
  id,
  addresses
}: {
  network: string
  id: string
  addresses: readonly string[]
}): string {
  const dialable = addresses.flatMap((address) => parseDialAddress(address)?.address ?? [])
  const best = preferRoutable(dialable).slice(0, INVITE_ADDRESSES)
  return `banmesh:${network}:${id}${best.length === 0 ? '' : `@${best.join(',')}`}`
}

/** Reads `PEER_ID | MULTIADDR | INVITE`. */
export function parseFriendReference(text: string): Result<FriendReference, 'not-a-reference'> {
  const trimmed = text.trim()
  if (trimmed.length > INVITE_LENGTH) return refuse('not-a-reference')
  if (trimmed.startsWith('banmesh:')) return parseInvite(trimmed)
  const id = parsePeerId(trimmed)
  if (id !== null) return ok({ id, addresses: [], network: null })
  const dial = parseDialAddress(trimmed)
  if (dial === null || dial.peer === null) return refuse('not-a-reference')
  return ok({ id: dial.peer, addresses: [dial.address], network: null })
}

function parseInvite(text: string): Result<Invite, 'not-a-reference'> {
  const [, network, peer, list] = /^banmesh:([^:]*):([^@]*)(?:@(.*))?$/.exec(text) ?? []
  const id = parsePeerId(peer ?? '')
  if (network === undefined || !NETWORK_NAME.test(network) || id === null) return refuse('not-a-reference')
  const dials = list === undefined ? [] : list.split(',', INVITE_ADDRESSES + 1).map(parseDialAddress)
  if (dials.length > INVITE_ADDRESSES) return refuse('not-a-reference')
  const addresses = dials.flatMap((dial) => (dial !== null && dial.peer === null ? [dial.address] : []))
  return addresses.length === dials.length ? ok({ network, id, addresses }) : refuse('not-a-reference')
}
