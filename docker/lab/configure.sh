#!/bin/sh
# What operators do once: a key each, and a config that names the friends by peer ID, without addresses. Nobody is there
# to pass the peer IDs on, so every node of the lab writes its own into /peers, a volume that they share.
#   NAME            this node's name
#   FRIENDS         "NAME=TRUST ...", trust in percent; may be empty
#   LAB_BOOTSTRAP   the node that is asked for addresses; empty for that node itself
set -eu
data=/data/banmesh
config=$data/banmesh.yaml

# A friend that does not come within a minute is an error.
peer_id_of() {
  tries=0
  until [ -s "/peers/$1" ]; do
    tries=$((tries + 1))
    [ "$tries" -le 300 ] || { echo "configure: $1 has not said its peer ID" >&2; return 1; }
    sleep 0.2
  done
  cat "/peers/$1"
}

if [ ! -s /data/peer-id ]; then
  if [ -e "$config" ]; then
    banmesh id | head -n 1
  else
    banmesh --json init --dir "$data" | sed -n 's/.*"peerId":"\([^"]*\)".*/\1/p'
  fi >/data/peer-id
fi
cp /data/peer-id "/peers/.$NAME"
mv -f "/peers/.$NAME" "/peers/$NAME"

# Only once: what is changed by hand afterwards stays.
[ ! -e /data/configured ] || exit 0

friends=
for friend in $FRIENDS; do
  id=$(peer_id_of "${friend%=*}")
  friends="$friends
  - { id: $id, name: ${friend%=*}, trust: ${friend#*=} }"
done
bootstrap=
if [ -n "$LAB_BOOTSTRAP" ]; then
  bootstrap="/dns4/$LAB_BOOTSTRAP/tcp/7337/p2p/$(peer_id_of "$LAB_BOOTSTRAP")"
fi
cat >"$config.new" <<EOF
network: lab
dataDir: .
control: /run/banmesh/control.sock
listen: [/ip4/0.0.0.0/tcp/7337, "/ip6/::/tcp/7337"]
friends: ${friends:-[]}
discovery: { dht: true, bootstrap: [${bootstrap}] }
# The lab's addresses are private ones.
protectReserved: false
handoff:
  log: false
  fail2ban: { enabled: ${FAIL2BAN:-false}, jail: banmesh }
web: { listen: 0.0.0.0:7338 }
EOF
mv "$config.new" "$config"
touch /data/configured
