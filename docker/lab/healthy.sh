#!/bin/sh
# Healthy: the daemon answers, and every friend has been met since the start. A friend who leaves later is no sickness.
set -eu
met=/run/banmesh/met
status=$(banmesh --json status)
[ ! -e "$met" ] || exit 0
friends() { printf '%s' "$status" | sed -n "s/.*\"friends\":{[^}]*\"$1\":\([0-9]*\).*/\1/p"; }
[ -n "$(friends total)" ] && [ "$(friends total)" = "$(friends connected)" ]
touch "$met"
