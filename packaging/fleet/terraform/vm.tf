# SPDX-License-Identifier: MIT
# A VM that serves the legacy endpoint from its first boot on. user-data.yaml stands beside this file:
#   packaging/cloud-init/fill-in URL KEY packaging/cloud-init/deb.yaml >user-data.yaml
# This file and scale-set.tf are modules of their own, to be copied alone: take one of them.
terraform {
  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = ">= 3.0, < 5.0"
    }
  }
}

provider "azurerm" {
  features {}
}

variable "resource_group" { type = string }
variable "location" { type = string }
variable "subnet_id" { type = string }
variable "ssh_public_key" { type = string }

variable "name" {
  type    = string
  default = "web-1"
}

variable "size" {
  type    = string
  default = "Standard_B2s"
}

resource "azurerm_network_interface" "card" {
  name                = "${var.name}-nic"
  resource_group_name = var.resource_group
  location            = var.location

  ip_configuration {
    name                          = "internal"
    subnet_id                     = var.subnet_id
    private_ip_address_allocation = "Dynamic"
  }
}

# Another custom_data makes another VM of it: to bring msi2imds to one that is there, use the custom script extension or
# the Ansible role.
resource "azurerm_linux_virtual_machine" "vm" {
  name                  = var.name
  resource_group_name   = var.resource_group
  location              = var.location
  size                  = var.size
  admin_username        = "azureuser"
  network_interface_ids = [azurerm_network_interface.card.id]
  custom_data           = filebase64("${path.module}/user-data.yaml")

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
}
