// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "admin/status.hpp"
#include "base/unique_fd.hpp"
#include "metrics/snapshot.hpp"
#include "responder/settings.hpp"
#include "token/token_source.hpp"

namespace msi2imds::responder {

// Where the responder's tokens come from, and what only that part of its process knows.
class TokenService {
 public:
  TokenService() = default;
  TokenService(const TokenService&) = delete;
  TokenService& operator=(const TokenService&) = delete;
  virtual ~TokenService() = default;

  [[nodiscard]] virtual token::TokenSource& source() = 0;

  // Takes the whole configuration's text, now and at each reload, and answers with the responder's part of
  // it.
  [[nodiscard]] virtual Result<Settings> configure(const std::string& toml) = 0;

  // Keeps tokens in `memory`, and takes over those that an earlier process has left there.
  virtual void keep_tokens_in(UniqueFd memory) = 0;

  // What callers will ask for, the likeliest first: when serving begins, after each change of the rules, and
  // nothing when it ends.
  virtual void prefetch(std::vector<token::TokenRequest> requests) = 0;

  // From here on a fetch waits for nothing.
  virtual void end_waits() = 0;

  // Forgets tokens, all or those of one resource or identity (empty: any); returns how many.
  virtual std::size_t flush(std::string_view resource, std::string_view identity) = 0;

  // Adds what only it knows.
  virtual void describe(admin::Status& status) const = 0;
  virtual void measure(metrics::Snapshot& now) const = 0;
};

}  // namespace msi2imds::responder
