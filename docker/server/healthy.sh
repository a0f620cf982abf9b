#!/bin/sh
# Healthy: banmesh as on every node, fail2ban runs both jails, and sshd listens.
set -eu
healthy
fail2ban-client status | grep -q 'banmesh, sshd$'
ss -Hltn 'sport = :22' | grep -q .
