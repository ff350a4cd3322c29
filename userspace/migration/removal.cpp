// SPDX-License-Identifier: MIT
#include "migration/removal.hpp"

#include <fmt/core.h>

namespace msi2imds::migration {
namespace {

constexpr const char* kName = "ManagedIdentityExtensionForLinux";

// Names come from IMDS; only what Azure allows in them needs no quotes.
std::string quoted(const std::string& name) {
  constexpr const char* kHarmless = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.";
  if (!name.empty() && name.find_first_not_of(kHarmless) == std::string::npos) {
    return name;
  }
  std::string text = "'";
  for (const char c : name) {
    if (c == '\'') {
      text += "'\\''";
    } else if (static_cast<unsigned char>(c) >= ' ') {
      text += c;
    }
  }
  return text + "'";
}

std::vector<RemovalCommand> for_scale_set(const Instance& at) {
  const std::string subscription = quoted(at.subscription);
  const std::string group = quoted(at.resource_group);
  const std::string set = quoted(at.scale_set);
  return {
      {"az",
       {fmt::format("az vmss extension delete --subscription {} --resource-group {} --vmss-name {} --name {}",
                    subscription, group, set, kName),
        fmt::format(
            "az vmss update-instances --subscription {} --resource-group {} --name {} --instance-ids '*'",
            subscription, group, set)}},
      {"PowerShell",
       {fmt::format("$vmss = Get-AzVmss -ResourceGroupName {} -VMScaleSetName {}", group, set),
        fmt::format("Remove-AzVmssExtension -VirtualMachineScaleSet $vmss -Name {}", kName),
        fmt::format("Update-AzVmss -ResourceGroupName {} -VMScaleSetName {} -VirtualMachineScaleSet $vmss",
                    group, set)}},
      {"Ansible",
       {fmt::format(
           "- azure.azcollection.azure_rm_virtualmachinescalesetextension: {{resource_group: {}, vmss_name: "
           "{}, name: {}, state: absent}}",
           group, set, kName)}},
  };
}

std::vector<RemovalCommand> for_vm(const Instance& at) {
  const std::string subscription = quoted(at.subscription);
  const std::string group = quoted(at.resource_group);
  const std::string vm = quoted(at.name);
  return {
      {"az",
       {fmt::format("az vm extension delete --subscription {} --resource-group {} --vm-name {} --name {}",
                    subscription, group, vm, kName)}},
      {"PowerShell",
       {fmt::format("Remove-AzVMExtension -ResourceGroupName {} -VMName {} -Name {}", group, vm, kName)}},
      {"Ansible",
       {fmt::format("- azure.azcollection.azure_rm_virtualmachineextension: {{resource_group: {}, "
                    "virtual_machine_name: {}, name: {}, state: absent}}",
                    group, vm, kName)}},
  };
}

}  // namespace

std::vector<RemovalCommand> removal_commands(const Instance& instance) {
  return instance.scale_set.empty() ? for_vm(instance) : for_scale_set(instance);
}

std::string list_command(const Instance& instance) {
  const std::string group = quoted(instance.resource_group);
  const std::string subscription = quoted(instance.subscription);
  return instance.scale_set.empty()
             ? fmt::format(
                   "az vm extension list --subscription {} --resource-group {} --vm-name {} --output table",
                   subscription, group, quoted(instance.name))
             : fmt::format(
                   "az vmss extension list --subscription {} --resource-group {} --vmss-name {} --output "
                   "table",
                   subscription, group, quoted(instance.scale_set));
}

}  // namespace msi2imds::migration
