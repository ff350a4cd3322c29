// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "imds_emulator/identities.hpp"

namespace msi2imds::emulator {

// Stands in every token, so that a test can look for tokens where none may be.
inline constexpr std::string_view kTokenMarker = "EMULATORSECRET";

struct TokenOptions {
  std::chrono::seconds lifetime{86400};
  std::size_t size = 0;  // tokens are padded to it
  bool fresh = false;    // never the same token twice
};

struct IssuedToken {
  std::string access_token;
  std::chrono::sys_seconds not_before;
  std::chrono::sys_seconds expires_on;
};

// Issues JWT-shaped tokens with a dummy signature. Like the platform it gives the same token for the same
// resource and identity until shortly before that expires.
class TokenFactory {
 public:
  explicit TokenFactory(const TokenOptions& options);

  // Valid until the next call.
  const IssuedToken& token_for(const Identity& identity, std::string_view resource, bool bypass_cache,
                               std::chrono::sys_seconds now);

  [[nodiscard]] std::uint64_t issued() const {
    return issued_;
  }

 private:
  [[nodiscard]] IssuedToken issue(const Identity& identity, std::string_view resource,
                                  std::chrono::sys_seconds now);
  [[nodiscard]] bool is_still_good(const IssuedToken& token, std::chrono::sys_seconds now) const;

  TokenOptions options_;
  std::uint64_t run_;  // tells this process's tokens from those of the next
  std::uint64_t issued_ = 0;
  std::string key_;
  std::unordered_map<std::string, IssuedToken> cache_;
};

}  // namespace msi2imds::emulator
