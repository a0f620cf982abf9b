/**
 * The multiaddrs that an operator or a friend writes: where to listen, what to dial. Only what our transports speak is
 * taken, so that a typo is found in the config and not as a silent dial error.
 */
import { isIP } from 'node:net'
import { multiaddr, type Component } from '@multiformats/multiaddr'
import type { PeerId } from '../core/report.ts'
import { parsePeerId } from '../wire/peer-id.ts'

/** Characters: a DNS name of 253, two peer IDs and the words between them. */
export const MULTIADDR_LENGTH = 400

const DIALABLE_HOSTS: readonly string[] = ['ip4', 'ip6', 'dns', 'dns4', 'dns6']

/** `/ip4/…/tcp/…` or `/ip6/…/tcp/…`, in canonical spelling; port 0 is any free one. Null for everything else. */
export function parseListenAddress(text: string): string | null {
  const parts = components(text)
  if (parts?.length !== 2 || parts[1]?.name !== 'tcp') return null
  return parts[0]?.name === 'ip4' || parts[0]?.name === 'ip6' ? format(parts) : null
}

export interface DialAddress {
  /** Without the peer ID at its end. */
  readonly address: string
  /** Whom to expect there, if the text says so. */
  readonly peer: PeerId | null
}

/**
 * An IP address or DNS name with a TCP port, or a relay's with `/p2p/RELAY/p2p-circuit`; then, if the text names it, the
 * peer that is reached: `/p2p/PEER_ID`.
 */
export function parseDialAddress(text: string): DialAddress | null {
  const parts = components(text)
  if (parts === null) return null
  const shape = parts.map(({ name }) => (DIALABLE_HOSTS.includes(name) ? 'host' : name)).join(' ')
  if (!/^host tcp( p2p)?$|^host tcp p2p p2p-circuit( p2p)?$/.test(shape)) return null
  const [host] = parts
  if (host?.name.startsWith('dns') === true && !isHostName(host.value ?? '')) return null
  const peers = parts.map(({ name, value }) => (name === 'p2p' ? parsePeerId(value ?? '') : undefined))
  if (peers.includes(null)) return null
  const peer = peers.at(-1) ?? null
  return { address: format(peer === null ? parts : parts.slice(0, -1)), peer }
}

/** RFC 1123, and not something that only looks like an address (`192.0.2.300`). */
export function isHostName(text: string): boolean {
  if (text.length > 253 || isIP(text) !== 0) return false
  const labels = text.replace(/\.$/, '').split('.')
  if (/^\d+$/.test(labels.at(-1) ?? '')) return false
  return labels.every((label) => /^[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?$/.test(label))
}

function components(text: string): Component[] | null {
  if (text.length > MULTIADDR_LENGTH) return null
  try {
    return multiaddr(text).getComponents()
  } catch {
    return null
  }
}

function format(parts: Component[]): string {
  return multiaddr(parts).toString()
}
