#!/bin/bash
# SPDX-License-Identifier: MIT
# Asks for tokens with one curl after the other, until stdin ends: curl_loop.sh URL RESOURCE RATE
# One line for each request: "ok WHO SECONDS BEGAN" or "failed REASON SECONDS BEGAN".
set -uo pipefail

readonly url=$1 resource=$2 interval=$((1000000 / $3))
# How the payload of the extension's tokens begins; a whole number of base64 groups.
extension_payload=$(printf '{"answered_by":"extension",' | base64 -w 0)
readonly extension_payload

now() {
  time=${EPOCHREALTIME/[.,]/}
}

# Microseconds as seconds, into the variable $1.
to_seconds() {
  printf -v "$1" '%d.%06d' $(($2 / 1000000)) $(($2 % 1000000))
}

# Waits until stdin ends or `due` has come; fails at the end.
wait_until_due() {
  local pause
  if [ "$due" -le "$time" ]; then
    # Nobody writes to stdin, so there is something to read only at its end. A time that is over before `read` has begun
    # would never notice it.
    ! read -r -t 0
    return
  fi
  to_seconds pause $((due - time))
  # More than 128 when the time is over.
  read -r -t "$pause"
  [ $? -gt 128 ]
}

# $1: the exit status of curl, $2: what it printed. The token stays within this shell.
tell_outcome() {
  local body=${2%$'\n'*} status=${2##*$'\n'}
  if [ "$1" -ne 0 ]; then
    outcome="failed curl exit status $1"
  elif [ "$status" != 200 ]; then
    outcome="failed status $status"
  elif [[ $body == *'"access_token":"'*."$extension_payload"* ]]; then
    outcome='ok extension'
  elif [[ $body == *'"access_token":"'*.*.* ]]; then
    outcome='ok msi2imds'
  else
    outcome='failed the reply is no token'
  fi
}

seconds='' began_seconds=''
now
due=$time
while wait_until_due; do
  now
  began=$time
  due=$((due > began - interval ? due + interval : began + interval))
  reply=$(curl -s -G -H Metadata:true --data-urlencode "resource=$resource" -w '\n%{http_code}' "$url" </dev/null)
  tell_outcome $? "$reply"
  now
  to_seconds seconds $((time - began))
  to_seconds began_seconds "$began"
  echo "$outcome $seconds $began_seconds"
done
