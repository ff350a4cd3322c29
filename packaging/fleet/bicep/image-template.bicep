// SPDX-License-Identifier: MIT
// The same image as packer/image.pkr.hcl, by Azure Image Builder. install.sh stands beside this file:
//   packaging/cloud-init/fill-in URL KEY packaging/fleet/custom-script/install.sh >install.sh
//   az deployment group create --resource-group GROUP --template-file image-template.bicep \
//     --parameters builderIdentityId=... imageId=/subscriptions/.../images/debian-12-msi2imds
//   az image builder run --resource-group GROUP --name debian-12-msi2imds
param location string = resourceGroup().location
param name string = 'debian-12-msi2imds'
param builderIdentityId string
param imageId string

resource template 'Microsoft.VirtualMachineImages/imageTemplates@2022-02-14' = {
  name: name
  location: location
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${builderIdentityId}': {}
    }
  }
  properties: {
    buildTimeoutInMinutes: 60
    source: {
      type: 'PlatformImage'
      publisher: 'Debian'
      offer: 'debian-12'
      sku: '12-gen2'
      version: 'latest'
    }
    // Enabled, and not started: what would be recorded here is not of the VMs that are made of it.
    customize: [
      {
        type: 'Shell'
        name: 'install msi2imds'
        inline: [
          'echo ${loadFileAsBase64('install.sh')} | base64 -d >/tmp/install-msi2imds'
          'sudo sh /tmp/install-msi2imds'
          'sudo systemctl enable msi2imds-observe'
          'rm /tmp/install-msi2imds'
        ]
      }
    ]
    distribute: [
      {
        type: 'ManagedImage'
        runOutputName: name
        imageId: imageId
        location: location
      }
    ]
  }
}
