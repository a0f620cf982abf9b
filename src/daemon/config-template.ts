/**
 * The commented banmesh.yaml that `init` writes: every key with its default, so that nobody has to look elsewhere. What
 * differs from the defaults makes a newcomer's folder work by itself, without root.
 */
import { LIMIT_NAMES, LIMITS } from './config-limits.ts'

export function configTemplate(): string {
  return `# banmesh: who my friends are, and what I do with their warnings.
# Paths are relative to this file. Durations: 90, 90s, 10m, 12h, 7d. Percent: 0 to 100.
# Changes take effect with \`banmesh friend ...\`, or with SIGHUP to the daemon.

network: default                 # nodes of different networks never talk
dataDir: .                       # identity.key, ledger.db, libp2p/, spool/
control: ./control.sock          # the daemon's socket, for the other commands

listen:
  - /ip4/0.0.0.0/tcp/7337
  - /ip6/::/tcp/7337
announce: []                     # public multiaddrs, if they are others: [/dns4/host.example/tcp/7337]

# Whom I listen to. \`banmesh friend add ...\` writes here; both sides have to add each other.
#  - id: 12D3KooW...              # what \`banmesh id\` prints there
#    name: alice
#    trust: 80                    # percent: how much a warning of this friend weighs
#    addresses: []                # multiaddrs; optional, the DHT finds them
#    observe: false               # true: show what it says, act on nothing
#    paused: false                # true: take nothing from it
#    was: 12D3KooW...             # its ID before it changed its key; the daemon writes that
#    jails: ["*"]                 # take claims of these jails only
friends: []

discovery:
  dht: true                      # false: nobody but friends may even connect
  bootstrap: []                  # nodes that know others: [/ip4/192.0.2.1/tcp/7337/p2p/12D3KooW...]
  mdns: false                    # look for friends in the local network, and be found there

nat:                             # where a router stands between this node and its friends
  upnp: true                     # ask it for a port, if this machine has only private addresses
  relay: true                    # relay for friends, and be reached through them; for nobody else

networkKey: null                 # a file that all nodes share: who lacks it can't even say hello. \`banmesh id network-key\`

policy:
  threshold: 80                  # percent: a score from here on is a ban
  quorum: 1                      # so many friends, at least, have to bring it
  rule: flow                     # or sum: fail2ban-p2p's rule
  mode: enforce                  # or observe: compute everything, ban nothing
  maxHops: 6                     # from friend to friend to friend...
  maxBanTime: 7d                 # nobody makes this node ban for longer
  jails:                         # by the jail that saw it, there
    "*": {}                      # accept: true, threshold: 80, jail: the local jail, filled by nobody but banmesh

share:                           # what others hear of this node's bans
  jails: ["*"]
  minBanTime: 60s                # shorter bans are not worth telling

allowlist: []                    # never banned: addresses, CIDRs, host names
protectReserved: true            # never ban private, loopback, multicast, documentation... ranges

handoff:
  log:                           # a file that fail2ban's jail \`banmesh\` watches; \`log: false\` turns it off
    path: ./bans.log
  fail2ban:                      # or tell fail2ban itself, which takes rights on its socket
    enabled: false
    jail: banmesh
    client: fail2ban-client
    socket: /run/fail2ban/fail2ban.sock
    direct: true                 # speak on the socket itself, a hundred times faster; false: only by the client
  nftables:                      # or write the firewall without fail2ban; takes the capability CAP_NET_ADMIN
    enabled: false               # in a table of its own, \`inet banmesh\`
    block: reject                # or drop
  exec: false                    # or run a program for each ban and each lift, never by a shell:
#    command: [/usr/local/bin/told, "{action}", "{ip}", "{jail}", "{until}", "{score}"]
#    concurrency: 4              # at a time
#    timeout: 10s                # for one, then it is killed

web:                             # dashboard and metrics; \`web: false\` turns it off
  listen: 127.0.0.1:7338

log:
  level: info                    # trace, debug, info, warn, error, fatal or silent
#  audit: ./audit.log            # what changed the firewall, and why; false turns it off

limits:                          # every bound, with its default
${LIMIT_NAMES.map(limitLine).join('\n')}
`
}

function limitLine(name: keyof typeof LIMITS): string {
  const { default: value, unit, doc } = LIMITS[name]
  return `${`#  ${name}: ${value}`.padEnd(32)} # ${unit}: ${doc}`
}
