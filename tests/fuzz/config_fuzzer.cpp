// SPDX-License-Identifier: MIT
// Whatever a configuration says: it is refused with the place of each problem, or written and read again it
// is the same.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "config/read.hpp"
#include "config/write.hpp"
#include "fuzz/require.hpp"

namespace {

using namespace msi2imds;
using fuzz::require;

void require_problems(const Error& error) {
  std::string message = error.message();
  std::string_view lines = message;
  require(!lines.empty());
  while (!lines.empty()) {
    require(fuzz::cut(lines, "\n").starts_with("FILE"));
  }
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer calls it by this name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto config = config::parse(fuzz::view_of(data, size), "FILE");
  if (!config) {
    require_problems(config.error());
    return 0;
  }
  const std::string text = config::to_toml(*config);
  const auto again = config::parse(text, "again");
  require(again.has_value() && *again == *config);
  require(config::to_toml(*again) == text);
  return 0;
}
