/** libp2p without banmesh, as plain JavaScript for `node -e`: like the daemon as it is built, it has no types to strip. */

/** What src/mesh/node.ts imports. */
const PACKAGES = {
  libp2p: 'libp2p',
  tcp: '@libp2p/tcp',
  noise: '@chainsafe/libp2p-noise',
  yamux: '@libp2p/yamux',
  gossipsub: '@chainsafe/libp2p-gossipsub',
  identify: '@libp2p/identify',
  ping: '@libp2p/ping',
  kadDht: '@libp2p/kad-dht',
  autonat: '@libp2p/autonat',
  relay: '@libp2p/circuit-relay-v2',
  dcutr: '@libp2p/dcutr',
  mdns: '@libp2p/mdns',
  upnp: '@libp2p/upnp-nat',
  pnet: '@libp2p/pnet',
  utils: '@libp2p/utils',
  blackHole: 'datastore-core/black-hole'
} as const

/** They are loaded, and nothing is done with them. */
export const IMPORTING = `${Object.values(PACKAGES)
  .map((name) => `import ${JSON.stringify(name)}`)
  .join('\n')}\nprocess.exit()`

/** A node with the services that ours has by default. Then it listens on a unix socket, so that it is seen to be ready. */
export function bareNode(socket: string): string {
  return `${Object.entries(PACKAGES)
    .map(([as, name]) => `import * as ${as} from ${JSON.stringify(name)}`)
    .join('\n')}
import { createServer } from 'node:net'
await libp2p.createLibp2p({
  addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
  transports: [tcp.tcp(), relay.circuitRelayTransport()],
  connectionEncrypters: [noise.noise()],
  streamMuxers: [yamux.yamux()],
  services: {
    identify: identify.identify(),
    ping: ping.ping(),
    dht: kadDht.kadDHT({ protocol: '/bare/kad/1.0.0', clientMode: false }),
    autonat: autonat.autoNAT(),
    relay: relay.circuitRelayServer(),
    dcutr: dcutr.dcutr(),
    gossip: gossipsub.gossipsub()
  }
})
createServer().listen(${JSON.stringify(socket)})`
}
