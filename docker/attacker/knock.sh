#!/bin/bash
# knock [-4|-6] [--until open|refused] HOST: what a connection to HOST's port 22 comes to: open, refused or no answer.
# With --until it knocks for half a minute, and fails if that does not happen.
set -u
family=4 wish=
while [ $# -gt 1 ]; do
  case $1 in
    -4 | -6) family=${1#-} ;;
    --until) wish=$2 && shift ;;
  esac
  shift
done
host=$1
address=$(getent "ahostsv$family" "$host" | awk '$2 == "STREAM" { print $1; exit }')
[ -n "$address" ] || { echo "knock: $host has no IPv$family address" >&2; exit 2; }

knock() {
  local words
  if words=$(timeout 2 bash -c 'exec 3<>"/dev/tcp/$0/22"' "$address" 2>&1); then
    echo open
  elif [[ $words == *refused* || $words == *reset* ]]; then
    echo refused
  else
    echo 'no answer'
  fi
}

result=$(knock)
if [ -n "$wish" ]; then
  deadline=$((SECONDS + 30))
  until [ "$result" = "$wish" ] || [ "$SECONDS" -ge "$deadline" ]; do
    sleep 0.05
    result=$(knock)
  done
fi
echo "$(date +%T.%3N) $host ($address) $result"
[ -z "$wish" ] || [ "$result" = "$wish" ]
