# SPDX-License-Identifier: MIT
# An image whose VMs observe from their first boot on:
#   packaging/cloud-init/fill-in URL KEY packaging/fleet/custom-script/install.sh >install.sh
#   packer init . && packer build -var resource_group=images .
packer {
  required_plugins {
    azure = {
      source  = "github.com/hashicorp/azure"
      version = ">= 2.0.0"
    }
  }
}

variable "resource_group" {
  type = string
}

variable "location" {
  type    = string
  default = "westeurope"
}

source "azure-arm" "debian" {
  use_azure_cli_auth                = true
  location                          = var.location
  vm_size                           = "Standard_B2s"
  os_type                           = "Linux"
  image_publisher                   = "Debian"
  image_offer                       = "debian-12"
  image_sku                         = "12-gen2"
  managed_image_name                = "debian-12-msi2imds"
  managed_image_resource_group_name = var.resource_group
}

build {
  sources = ["source.azure-arm.debian"]

  # Enabled, and not started: what would be recorded here is not of the VMs that are made of it.
  provisioner "shell" {
    execute_command = "chmod +x {{ .Path }}; sudo env {{ .Vars }} sh {{ .Path }}"
    script          = "install.sh"
  }
  provisioner "shell" {
    inline = ["sudo systemctl enable msi2imds-observe"]
  }

  # The last step of any image for Azure.
  provisioner "shell" {
    inline = ["sudo waagent -force -deprovision+user && sync"]
  }
}
