// SPDX-License-Identifier: MIT
#pragma once

#include <optional>

#include "base/asio.hpp"
#include "token/failure.hpp"
#include "token/token.hpp"

namespace msi2imds::token {

// Where callers get tokens.
class TokenSource {
 public:
  TokenSource() = default;
  TokenSource(const TokenSource&) = delete;
  TokenSource& operator=(const TokenSource&) = delete;
  virtual ~TokenSource() = default;

  // What fetch() would give without a wait; nothing: it has to be asked.
  virtual std::optional<FetchResult> find(const TokenRequest& /*request*/) {
    return std::nullopt;
  }

  // A token, IMDS's final refusal, or why no answer could be had.
  virtual asio::awaitable<FetchResult> fetch(TokenRequest request) = 0;
};

}  // namespace msi2imds::token
