#!/bin/bash
# SPDX-License-Identifier: MIT
# Who still calls, over all Linux VMs of a subscription or resource group: asks each by Run Command, and makes one page
# of what they say. Needs msi2imds here, too. Run Command gives back the last 4 KiB that a script prints, so that a report
# comes packed and in pieces. A VM that does not answer is named, and the exit status is 1. Instances of uniform scale
# sets are no VMs to `az vm`: they are not asked.
set -euo pipefail
umask 077

resource_group= # empty: the whole subscription
reports=reports
page=fleet.html
at_once=10 # VMs

export reports piece=3000

# Prints `<LENGTH PIECE>`: how long the packed report is, and what of it begins at a byte. The first piece makes it, the
# last one removes it.
script_for() {
  local from=$1 kept=/run/msi2imds-report make=:
  [ "$from" -gt 1 ] || make="umask 077; msi2imds callers --json | gzip -9 | base64 | tr -d '\\n' >$kept"
  cat <<END
$make
echo "<\$(wc -c <$kept) \$(tail -c +$from $kept | head -c $piece)>"
[ \$(wc -c <$kept) -ge $((from + piece)) ] || rm $kept
END
}

ask() {
  local group=$1 vm=$2 size=1 got=1 packed='' said='' part=''
  local file="$reports/$group.$vm.json"
  while [ "$got" -le "$size" ]; do
    if ! said=$(az vm run-command invoke --resource-group "$group" --name "$vm" --command-id RunShellScript \
      --scripts "$(script_for "$got")" --query 'value[0].message' --output tsv 2>&1); then
      break
    fi
    part=$(sed -n 's/.*<\([0-9]* [A-Za-z0-9+/=]*\)>.*/\1/p' <<<"$said")
    size=${part%% *}
    packed+=${part#* }
    [ -n "$size" ] || break
    got=$((got + piece))
  done
  # What is no report stands in the file as it was said: it is named when all are merged.
  base64 -d <<<"$packed" 2>/dev/null | gzip -dc >"$file" 2>/dev/null && [ -s "$file" ] || echo "no report: $said" >"$file"
}
export -f ask script_for

mkdir -p "$reports"
az vm list ${resource_group:+--resource-group "$resource_group"} --output tsv \
  --query "[?storageProfile.osDisk.osType=='Linux'].[resourceGroup, name]" >"$reports/vms"
xargs -r -L 1 -P "$at_once" bash -c 'ask "$@"' ask <"$reports/vms"

# Only of those that were asked now: others may lie there from earlier.
sed "s|^\([^[:space:]]*\)[[:space:]]*\(.*\)|$reports/\1.\2.json|" "$reports/vms" |
  xargs -d '\n' msi2imds callers --html "$page" --merge || exit 1
