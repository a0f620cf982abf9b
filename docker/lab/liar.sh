#!/bin/sh
# liar run | ready | lie SUBJECT COUNT | forge NAME SUBJECT
set -eu
if [ "$1" = run ]; then
  configure
  mkdir -p /run/banmesh
fi
exec node /opt/banmesh/docker/lab/liar.ts "$@"
