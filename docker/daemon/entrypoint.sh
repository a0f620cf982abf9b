#!/bin/sh
# banmesh in a container: the first start makes a key and a commented config; any other command is passed on.
set -eu
if [ "${1-}" = run ] && [ ! -e "$BANMESH_CONFIG" ]; then
  banmesh init --dir "$(dirname "$BANMESH_CONFIG")"
fi
exec banmesh "$@"
