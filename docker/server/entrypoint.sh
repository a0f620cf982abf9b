#!/bin/bash
# A server: all of its daemons in the foreground. When one of them ends, all do, and the container with them.
set -eu
configure
[ -e /data/ssh_host_ed25519_key ] || ssh-keygen -q -t ed25519 -N '' -f /data/ssh_host_ed25519_key
mkdir -p /run/banmesh /run/fail2ban /run/sshd
# fail2ban does not start without it.
touch /var/log/auth.log

rsyslogd -n -i NONE & log=$!
banmesh run & banmesh=$!
fail2ban-server -xf --logtarget=sysout start & fail2ban=$!
/usr/sbin/sshd -D & sshd=$!

# fail2ban goes first: its last words are for banmesh.
stop() {
  kill "$sshd" "$fail2ban" || true
  wait "$fail2ban" || true
  kill "$banmesh" "$log" || true
  wait
}
trap 'stop; exit 0' TERM INT
wait -n || true
echo 'server: one of rsyslogd, banmesh, fail2ban and sshd has ended' >&2
stop 2>/dev/null
exit 1
