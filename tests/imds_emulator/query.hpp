// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"

namespace msi2imds::emulator {

struct Parameter {
  std::string name;
  std::string value;
};

// Decodes a query as strictly as a server may: a bad escape, or a character that has to be escaped, is an
// error. A `+` is a space, as it is for most servers: who means a plus has to write %2B.
[[nodiscard]] Result<std::vector<Parameter>> parse_query(std::string_view query);

}  // namespace msi2imds::emulator
