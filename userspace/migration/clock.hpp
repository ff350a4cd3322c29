// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <optional>

#include "base/clock.hpp"
#include "http/message.hpp"
#include "token/token.hpp"

// What an answer tells of the server's clock.
namespace msi2imds::migration {

// By this machine's clock.
struct Asked {
  WallTime asked;
  WallTime answered;
};

// How far this machine's clock is certainly ahead of the server's, by the Date of the answer; negative:
// behind. Nothing without a Date.
[[nodiscard]] std::optional<std::chrono::seconds> clock_ahead(const http::Answer& answer, const Asked& when);

// The same by what IMDS says of a token that it gave out. Nothing where that does not tell.
[[nodiscard]] std::optional<std::chrono::seconds> clock_ahead(const token::Token& token, const Asked& when);

}  // namespace msi2imds::migration
