// SPDX-License-Identifier: MIT
// A VM that serves the legacy endpoint from its first boot on. user-data.yaml stands beside this file:
//   packaging/cloud-init/fill-in URL KEY packaging/cloud-init/deb.yaml >user-data.yaml
//   az deployment group create --resource-group GROUP --template-file vm.bicep \
//     --parameters subnetId=... sshPublicKey="$(cat ~/.ssh/id_rsa.pub)"
param location string = resourceGroup().location
param name string = 'web-1'
param size string = 'Standard_B2s'
param subnetId string
param sshPublicKey string
param adminUsername string = 'azureuser'

resource card 'Microsoft.Network/networkInterfaces@2023-11-01' = {
  name: '${name}-nic'
  location: location
  properties: {
    ipConfigurations: [
      {
        name: 'internal'
        properties: {
          subnet: {
            id: subnetId
          }
        }
      }
    ]
  }
}

resource vm 'Microsoft.Compute/virtualMachines@2024-03-01' = {
  name: name
  location: location
  identity: {
    type: 'SystemAssigned'
  }
  properties: {
    hardwareProfile: {
      vmSize: size
    }
    osProfile: {
      computerName: name
      adminUsername: adminUsername
      customData: loadFileAsBase64('user-data.yaml')
      linuxConfiguration: {
        disablePasswordAuthentication: true
        ssh: {
          publicKeys: [
            {
              path: '/home/${adminUsername}/.ssh/authorized_keys'
              keyData: sshPublicKey
            }
          ]
        }
      }
    }
    storageProfile: {
      imageReference: {
        publisher: 'Debian'
        offer: 'debian-12'
        sku: '12-gen2'
        version: 'latest'
      }
      osDisk: {
        createOption: 'FromImage'
        managedDisk: {
          storageAccountType: 'Standard_LRS'
        }
      }
    }
    networkProfile: {
      networkInterfaces: [
        {
          id: card.id
        }
      ]
    }
  }
}
