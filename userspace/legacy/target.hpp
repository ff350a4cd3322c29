// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string_view>

namespace msi2imds::legacy {

// The parts of a request's target, undecoded views into it.
struct Target {
  std::optional<std::string_view> authority;  // in the absolute form (http://host/path), which proxies get
  std::string_view path;
  std::string_view query;  // without the question mark
};

[[nodiscard]] Target split_target(std::string_view target);

// Whether it is one of the token URL's paths, give or take slashes and needless percent-encoding.
[[nodiscard]] bool is_token_path(std::string_view path);

}  // namespace msi2imds::legacy
