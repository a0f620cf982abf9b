/** The mesh as the config wants it: what a reload does not change. */
import type { MeshOptions } from '../mesh/mesh.ts'
import { routerMayHelp } from '../mesh/upnp.ts'
import { interfaceAddresses } from './addresses.ts'
import type { Config } from './config.ts'
import type { Identity } from './identity.ts'

export function meshConfig(config: Config, identity: Identity, networkKey: Uint8Array | null) {
  const { network, listen, announce, discovery, nat, friends, limits } = config
  const { bootstrap, dht, mdns } = discovery
  return {
    privateKey: identity.libp2pKey,
    network,
    listen,
    announce,
    bootstrap,
    dht,
    mdns,
    relay: nat.relay,
    upnp: nat.upnp && routerMayHelp(listen, interfaceAddresses()),
    ...(networkKey !== null && { networkKey }),
    friends,
    limits: { maxConnections: limits.maxConnections, maxPendingHandshakes: limits.maxPendingHandshakes }
  } satisfies Partial<MeshOptions>
}
