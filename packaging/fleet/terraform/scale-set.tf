# SPDX-License-Identifier: MIT
# A scale set whose instances serve the legacy endpoint from their first boot on. user-data.yaml stands beside this file:
#   packaging/cloud-init/fill-in URL KEY packaging/cloud-init/deb.yaml >user-data.yaml
# This file and vm.tf are modules of their own, to be copied alone: take one of them.
terraform {
  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = ">= 3.0, < 5.0"
    }
  }
}

provider "azurerm" {
  features {
    virtual_machine_scale_set {
      # Otherwise a new model is rolled out to all instances at once.
      roll_instances_when_required = false
    }
  }
}

variable "resource_group" { type = string }
variable "location" { type = string }
variable "subnet_id" { type = string }
variable "ssh_public_key" { type = string }

variable "name" {
  type    = string
  default = "web"
}

variable "size" {
  type    = string
  default = "Standard_B2s"
}

variable "instances" {
  type    = number
  default = 2
}

# A changed custom_data reaches new and reimaged instances only. For those that run, see ../azure-cli and ../ansible.
resource "azurerm_linux_virtual_machine_scale_set" "scale_set" {
  name                = var.name
  resource_group_name = var.resource_group
  location            = var.location
  sku                 = var.size
  instances           = var.instances
  upgrade_mode        = "Manual"
  admin_username      = "azureuser"
  custom_data         = filebase64("${path.module}/user-data.yaml")

  identity {
    type = "SystemAssigned"
  }

  admin_ssh_key {
    username   = "azureuser"
    public_key = var.ssh_public_key
  }

  source_image_reference {
    publisher = "Debian"
    offer     = "debian-12"
    sku       = "12-gen2"
    version   = "latest"
  }

  os_disk {
    storage_account_type = "Standard_LRS"
    caching              = "ReadWrite"
  }

  network_interface {
    name    = "nic"
    primary = true

    ip_configuration {
      name      = "internal"
      primary   = true
      subnet_id = var.subnet_id
    }
  }
}
