// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "base/clock.hpp"
#include "base/secret.hpp"
#include "broker/life.hpp"
#include "token/token.hpp"

namespace msi2imds::broker {

using TokenPtr = std::shared_ptr<const token::Token>;

struct LivingToken {
  TokenPtr token;
  Life life;
};

// A token as the next process is to find it.
struct TokenRecord {
  token::TokenRequest request;  // who asked is left out
  LivingToken living;
  BootTime received;
};

// As bytes, for the same machine until it starts again.
[[nodiscard]] SecretString encode(const TokenRecord& record);

// Nothing, if the bytes are no record of a token that still lives.
[[nodiscard]] std::optional<TokenRecord> decode(std::string_view bytes, const Moment& now);

}  // namespace msi2imds::broker
