#!/bin/bash
# SPDX-License-Identifier: MIT
# Defines the three policies of ../policy and assigns them to a subscription. Needs jq.
set -euo pipefail

subscription=00000000-0000-0000-0000-000000000000
location=westeurope
effect=AuditIfNotExists # or DeployIfNotExists, which installs
stage=--observe         # or --cut-over
script=install.sh       # packaging/cloud-init/fill-in URL KEY packaging/fleet/custom-script/install.sh >install.sh
policies=$(dirname "$0")/../policy

define() {
  local file=$policies/$1.json
  az policy definition create --name "msi2imds-$1" --subscription "$subscription" \
    --display-name "$(jq -r .properties.displayName "$file")" --description "$(jq -r .properties.description "$file")" \
    --mode "$(jq -r .properties.mode "$file")" --rules "$(jq .properties.policyRule "$file")" \
    --params "$(jq .properties.parameters "$file")"
}

define install
define extension-present
define callers-not-quiet

# Its identity makes the run commands. VMs that are there already: az policy remediation create.
az policy assignment create --name msi2imds-install --policy msi2imds-install --scope "/subscriptions/$subscription" \
  --mi-system-assigned --location "$location" --role 'Virtual Machine Contributor' \
  --identity-scope "/subscriptions/$subscription" \
  --params "$(jq -n --arg effect "$effect" --arg script "set -- $stage
$(cat "$script")" '{effect: {value: $effect}, script: {value: $script}}')"
for name in extension-present callers-not-quiet; do
  az policy assignment create --name "msi2imds-$name" --policy "msi2imds-$name" --scope "/subscriptions/$subscription"
done
