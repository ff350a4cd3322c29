#!/bin/bash
# SPDX-License-Identifier: MIT
# A new VM that serves the legacy endpoint from its first boot on, by cloud-init.
set -euo pipefail

resource_group=msi2imds
vm=web-1
image=Debian:debian-12:12-gen2:latest
size=Standard_B2s
user_data=user-data.yaml # packaging/cloud-init/fill-in URL KEY packaging/cloud-init/deb.yaml >user-data.yaml

az vm create --resource-group "$resource_group" --name "$vm" --image "$image" --size "$size" \
  --admin-username azureuser --generate-ssh-keys --assign-identity '[system]' --custom-data "$user_data"
