#!/bin/bash
# SPDX-License-Identifier: MIT
# A new scale set whose instances serve the legacy endpoint from their first boot on, by cloud-init.
set -euo pipefail

resource_group=msi2imds
scale_set=web
image=Debian:debian-12:12-gen2:latest
size=Standard_B2s
instances=2
user_data=user-data.yaml # packaging/cloud-init/fill-in URL KEY packaging/cloud-init/deb.yaml >user-data.yaml

az vmss create --resource-group "$resource_group" --name "$scale_set" --image "$image" --vm-sku "$size" \
  --instance-count "$instances" --orchestration-mode Uniform --upgrade-policy-mode Manual \
  --admin-username azureuser --generate-ssh-keys --assign-identity '[system]' --custom-data "$user_data"

# A scale set that is there already takes it into its model like this. Only new and reimaged instances read it; for the
# others, scale-set-extension.sh or the Ansible role.
#   az vmss update --resource-group "$resource_group" --name "$scale_set" \
#     --set virtualMachineProfile.osProfile.customData="$(base64 <"$user_data" | tr -d '\n')"
