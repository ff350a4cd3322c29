// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "migration/imds.hpp"

namespace msi2imds::migration {

// One way of removing the extension, ready to be pasted.
struct RemovalCommand {
  std::string tool;  // "az", "PowerShell", "Ansible"
  std::vector<std::string> lines;
};

// For this VM, or for the scale set that it belongs to. The extension goes by the name that its documentation
// gives it, which is said to be checked.
[[nodiscard]] std::vector<RemovalCommand> removal_commands(const Instance& instance);

// What shows under which name the extension was deployed.
[[nodiscard]] std::string list_command(const Instance& instance);

}  // namespace msi2imds::migration
