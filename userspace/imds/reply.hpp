// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "token/failure.hpp"
#include "token/token.hpp"

namespace msi2imds::imds {

// What came back over the wire.
struct Reply {
  unsigned status = 0;
  std::string content_type;
  std::optional<std::chrono::seconds> retry_after = {};
  std::string body;
};

// Decides what a reply means: a token whose every field was checked, a final refusal, or an Error of
// imds::Errc. No part of the body ever gets into the error, since it may be a token.
[[nodiscard]] token::FetchResult interpret(Reply reply);

// The target of IMDS's token request, strictly encoded (RFC 3986).
[[nodiscard]] std::string token_target(const token::TokenRequest& request);

}  // namespace msi2imds::imds
