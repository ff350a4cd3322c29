// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace msi2imds::config {

// Where IMDS listens.
struct Endpoint {
  std::string text = "http://169.254.169.254";  // as written in the file
  std::string address = "169.254.169.254";      // as inet_ntop writes it, without brackets
  std::uint16_t port = 80;
  bool v6 = false;

  // Whether connecting to it reaches this host's loopback: 127/8, ::1, their v4-mapped forms, 0.0.0.0 and ::.
  [[nodiscard]] bool is_loopback() const;

  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

// Takes http://ADDRESS[:PORT][/] with a literal address only, so that no name service stands between us and
// IMDS. The Error says what is wrong with the text, without naming it.
[[nodiscard]] Result<Endpoint> parse_endpoint(std::string_view text);

}  // namespace msi2imds::config
