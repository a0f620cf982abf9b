/**
 * Bootstrap nodes: the way into the DHT for whoever knows nobody else there. They need not be anybody's friends, and
 * they are dialled only while few others are connected, so that a mesh does not lean on them.
 */
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr'

/** With so many peers connected, no bootstrap node is dialled. */
const ENOUGH_PEERS = 3

export interface BootstrapOptions {
  /** Multiaddrs that end in `/p2p/PEER_ID`. */
  readonly addresses: readonly string[]
  isConnected(peer: string): boolean
  connectedPeers(): number
  dial(address: Multiaddr): Promise<unknown>
  /** Ms to wait before round number `attempt` (from 0). */
  readonly delayMs: (attempt: number) => number
}

export interface Bootstrap {
  start(): void
  stop(): void
}

/** Throws if an address is not a multiaddr: it comes from a config that has been checked. */
export function createBootstrap(options: BootstrapOptions): Bootstrap {
  const addresses = options.addresses.map((address) => multiaddr(address))
  let attempt = 0
  let timer: NodeJS.Timeout | undefined
  let stopped = false

  async function round(): Promise<void> {
    const absent = addresses.filter((address) => !options.isConnected(address.getComponents().at(-1)?.value ?? ''))
    if (absent.length === 0 || options.connectedPeers() >= ENOUGH_PEERS) attempt = 0
    else {
      attempt++
      await Promise.allSettled(absent.map((address) => options.dial(address)))
    }
    if (!stopped) timer = setTimeout(() => void round(), options.delayMs(attempt))
  }

  return {
    start: () => void (addresses.length > 0 && round()),
    stop() {
      stopped = true
      clearTimeout(timer)
    }
  }
}
