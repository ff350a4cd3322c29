// SPDX-License-Identifier: MIT
#pragma once

#include <string>

namespace msi2imds::doctor {

// Where the machine is; tests have another.
struct Root {
  std::string proc = "/proc";
  std::string etc = "/etc";
  std::string run = "/run";
  std::string usr = "/usr";
};

}  // namespace msi2imds::doctor
