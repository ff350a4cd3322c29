#!/bin/bash
# SPDX-License-Identifier: MIT
# A scale set that is there already: the custom script extension joins its model, then some instances are brought up to
# it, with whatever else of the model they lack.
set -euo pipefail

resource_group=msi2imds
scale_set=web
batch=(0 1)       # ids of instances (az vmss list-instances); run it again for the next ones
stage=--observe   # or --cut-over; nothing: installs only
script=install.sh # packaging/cloud-init/fill-in URL KEY packaging/fleet/custom-script/install.sh >install.sh

file=/run/install-msi2imds
command="echo $(base64 <"$script" | tr -d '\n') | base64 -d >$file && sh $file $stage"

az vmss extension set --resource-group "$resource_group" --vmss-name "$scale_set" --name CustomScript \
  --publisher Microsoft.Azure.Extensions --version 2.1 --settings "{\"commandToExecute\": \"$command\"}"
az vmss update-instances --resource-group "$resource_group" --name "$scale_set" --instance-ids "${batch[@]}"
