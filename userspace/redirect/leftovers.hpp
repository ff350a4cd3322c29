// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

namespace msi2imds::redirect {

// What became of leftovers; one phrase each.
struct Leftovers {
  std::vector<std::string> removed;
  std::vector<std::string> failures;
};

}  // namespace msi2imds::redirect
