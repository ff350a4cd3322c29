#!/bin/bash
# SPDX-License-Identifier: MIT
# A VM that is there already, by a managed Run Command: it leaves the one custom script extension to others.
set -euo pipefail

resource_group=msi2imds
vm=web-1
stage=--observe   # or --cut-over; nothing: installs only
script=install.sh # packaging/cloud-init/fill-in URL KEY packaging/fleet/custom-script/install.sh >install.sh

# The same command again runs the script again. Its output: az vm run-command show --instance-view.
az vm run-command create --resource-group "$resource_group" --vm-name "$vm" --run-command-name msi2imds \
  --async-execution false --timeout-in-seconds 1800 --script "$(printf 'set -- %s\n' "$stage" && cat "$script")"
az vm run-command show --resource-group "$resource_group" --vm-name "$vm" --run-command-name msi2imds \
  --instance-view --query instanceView
