#!/bin/bash
# SPDX-License-Identifier: MIT
# A VM that is there already, or whose image has no cloud-init: by the custom script extension.
set -euo pipefail

resource_group=msi2imds
vm=web-1
stage=--observe   # or --cut-over; nothing: installs only
script=install.sh # packaging/cloud-init/fill-in URL KEY packaging/fleet/custom-script/install.sh >install.sh

file=/run/install-msi2imds
command="echo $(base64 <"$script" | tr -d '\n') | base64 -d >$file && sh $file $stage"

# The same settings twice run nothing anew, unless forced. A failure is shown, and stands in
# /var/log/azure/custom-script on the VM.
az vm extension set --resource-group "$resource_group" --vm-name "$vm" --name CustomScript \
  --publisher Microsoft.Azure.Extensions --version 2.1 --force-update \
  --settings "{\"commandToExecute\": \"$command\"}"
