// SPDX-License-Identifier: MIT
// A scale set whose instances serve the legacy endpoint from their first boot on. user-data.yaml stands beside this file:
//   packaging/cloud-init/fill-in URL KEY packaging/cloud-init/deb.yaml >user-data.yaml
//   az deployment group create --resource-group GROUP --template-file scale-set.bicep \
//     --parameters subnetId=... sshPublicKey="$(cat ~/.ssh/id_rsa.pub)"
// A changed customData reaches new and reimaged instances only. For those that run, see ../azure-cli and ../ansible.
param location string = resourceGroup().location
param name string = 'web'
param size string = 'Standard_B2s'
param instances int = 2
param subnetId string
param sshPublicKey string
param adminUsername string = 'azureuser'

resource scaleSet 'Microsoft.Compute/virtualMachineScaleSets@2024-03-01' = {
  name: name
  location: location
  sku: {
    name: size
    capacity: instances
  }
  identity: {
    type: 'SystemAssigned'
  }
  properties: {
    orchestrationMode: 'Uniform'
    upgradePolicy: {
      mode: 'Manual'
    }
    virtualMachineProfile: {
      osProfile: {
        computerNamePrefix: name
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
        networkInterfaceConfigurations: [
          {
            name: 'nic'
            properties: {
              primary: true
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
        ]
      }
    }
  }
}
