#!/bin/bash
# SPDX-License-Identifier: MIT
# A VM Application: a version in a compute gallery, which VMs and the models of scale sets name.
set -euo pipefail

resource_group=msi2imds
gallery=tools
location=westeurope
version=1.0.0     # three numbers; a new one for each change of the script or the stage
stage=--observe   # or --cut-over; nothing: installs only
script_url=https://account.blob.core.windows.net/msi2imds/install.sh # filled in; private with a SAS
vm=web-1

az sig gallery-application create --resource-group "$resource_group" --gallery-name "$gallery" \
  --gallery-application-name msi2imds --os-type Linux --location "$location"
az sig gallery-application version create --resource-group "$resource_group" --gallery-name "$gallery" \
  --application-name msi2imds --version-name "$version" --location "$location" \
  --package-file-link "$script_url" --package-file-name install.sh --install-command "sh ./install.sh $stage" \
  --remove-command 'if command -v apt-get; then apt-get -y remove msi2imds; else rpm -e msi2imds; fi'
id=$(az sig gallery-application version show --resource-group "$resource_group" --gallery-name "$gallery" \
  --application-name msi2imds --version-name "$version" --query id --output tsv)
# Replaces the VM's whole list of applications: name the others, too. For a scale set: az vmss application set.
az vm application set --resource-group "$resource_group" --name "$vm" --app-version-ids "$id" \
  --treat-deployment-as-failure true
