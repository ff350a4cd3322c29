#!/bin/bash
# SPDX-License-Identifier: MIT
# Asks VMs for their verdict and writes it down as the tag msi2imds-endpoint, which policies can see and msi2imds itself
# cannot write: it would need rights on its own VM. Run it once a day from where az is logged in.
set -euo pipefail

resource_group=msi2imds
vms=(web-1 web-2)

# Run Command tells the last 4 KiB of what is printed, so the verdict is taken out on the VM.
ask='msi2imds callers --json | sed -n "s/.*\"verdict\":{\"kind\":\"\([a-z_]*\)\".*/endpoint=\1/p"'

for vm in "${vms[@]}"; do
  told=$(az vm run-command invoke --resource-group "$resource_group" --name "$vm" --command-id RunShellScript \
    --scripts "$ask" --query 'value[0].message' --output tsv) || told=
  verdict=$(printf '%s' "$told" | sed -n 's/^endpoint=\([a-z_]*\)$/\1/p')
  id=$(az vm show --resource-group "$resource_group" --name "$vm" --query id --output tsv)
  az tag update --resource-id "$id" --operation Merge \
    --tags "msi2imds-endpoint=${verdict:-not_known}" "msi2imds-asked=$(date -u +%Y-%m-%d)"
done
