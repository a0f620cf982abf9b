#!/bin/sh
# A node of the lab without fail2ban.
set -eu
configure
mkdir -p /run/banmesh
exec banmesh run
