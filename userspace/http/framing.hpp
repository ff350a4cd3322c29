// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "http/message.hpp"

namespace msi2imds::http {

// Looks at the first bytes of a message before the parser does. `complete` is where its head ends (behind the
// empty line), if all of it is there; `fault` is set for what the parser would let pass although two readers
// could understand it differently (RFC 9112, sections 2.2 and 5.2): a bare line feed, a folded header line.
struct Head {
  std::optional<std::size_t> complete;
  const char* fault = nullptr;
};

[[nodiscard]] Head examine_head(std::string_view input);

// How a head says where its message ends. `fault` is set for what two readers could understand differently:
// contradictory lengths, or codings besides plain chunks.
struct BodyLength {
  enum class Kind : std::uint8_t { unsaid, counted, chunked };
  Kind kind = Kind::unsaid;
  std::uint64_t bytes = 0;  // of Kind::counted
  const char* fault = nullptr;
};

// `version` is 10 or 11.
[[nodiscard]] BodyLength body_length(const std::vector<Header>& headers, unsigned version);

}  // namespace msi2imds::http
