// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace msi2imds::http {

// Looks at the first bytes of a message before the parser does. `complete` is where its head ends (behind the
// empty line), if all of it is there; `fault` is set for what the parser would let pass although two readers
// could understand it differently (RFC 9112, sections 2.2 and 5.2): a bare line feed, a folded header line.
struct Head {
  std::optional<std::size_t> complete;
  const char* fault = nullptr;
};

[[nodiscard]] Head examine_head(std::string_view input);

}  // namespace msi2imds::http
