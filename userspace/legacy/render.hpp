// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "http/message.hpp"
#include "legacy/rejection.hpp"
#include "token/token.hpp"

// The answers. Each body is one line holding one flat JSON object, whose values are strings even where they
// are numbers.
namespace msi2imds::legacy {

// By this machine's clock, in Unix seconds: so clients compare it.
struct Times {
  std::int64_t now = 0;
  std::int64_t expires_on = 0;  // when the token ends
};

// `memory` is an empty text, whose memory the body takes.
[[nodiscard]] http::Response render(const token::Token& token, const Times& times, std::string memory = {});

// IMDS's final answer, passed on as it is if clients will understand it.
[[nodiscard]] http::Response render(const token::Refusal& refusal);

[[nodiscard]] http::Response render(const Rejection& rejection);

// IMDS gave no answer that a client may see. `reason` must not hold what came from upstream: it may be a
// token.
[[nodiscard]] http::Response upstream_failure(std::string_view reason);

// We have too much to do.
[[nodiscard]] http::Response unavailable(std::chrono::seconds retry_after);

// IMDS is not to be asked for so long, and the caller would not get an answer in time.
[[nodiscard]] http::Response imds_left_alone(std::chrono::seconds retry_after);

// The operator's rules do not allow this caller what it asks for.
[[nodiscard]] http::Response not_allowed();

// The bytes were no request, or too many. The connection ends, as nobody knows where the next request would
// begin.
[[nodiscard]] http::Response bad_message(unsigned status, std::string_view description);

}  // namespace msi2imds::legacy
