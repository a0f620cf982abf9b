#!/bin/bash
# attack [-4|-6] HOST [TRIES]: guesses passwords until HOST refuses the connection. Exit 1: it never did.
set -u
family=4
case ${1-} in -4 | -6) family=${1#-} && shift ;; esac
host=${1:?attack [-4|-6] HOST [TRIES]} tries=${2:-20}
options=(
  -F none -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o GlobalKnownHostsFile=/dev/null
  -o PreferredAuthentications=password -o NumberOfPasswordPrompts=1 -o ConnectTimeout=3 -o LogLevel=ERROR
)
for ((i = 1; i <= tries; i++)); do
  # An account that exists: fail2ban may count a wrong name twice.
  at=$(date +%T.%3N)
  words=$(timeout 3 sshpass -p "wrong-$i" ssh "-$family" "${options[@]}" "nobody@$host" true 2>&1)
  # No answer: the ban came while we were connected.
  [ -n "$words" ] || words='no answer'
  echo "$at $host guess $i: ${words##*$'\n'}"
  case $words in *refused* | *reset*) exit 0 ;; esac
done
exit 1
