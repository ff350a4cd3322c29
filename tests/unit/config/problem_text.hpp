// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

#include "config/read.hpp"

namespace msi2imds::config {

// What `parse` complains of in a file named "f"; empty when all is well.
inline std::string problems_in(std::string_view toml_text) {
  const auto config = parse(toml_text, "f");
  return config ? "" : config.error().message();
}

}  // namespace msi2imds::config
