// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/holder.hpp"
#include "base/secret.hpp"

namespace msi2imds::token {

// How a caller names an identity; `none` is the system-assigned one, or the only one there is.
enum class SelectorKind : std::uint8_t { none, client_id, object_id, resource_id };

// What IMDS calls the kinds, and so do our files.
inline constexpr std::array<std::string_view, 3> kSelectorKeys = {"client_id", "object_id", "msi_res_id"};

// "client_id"; nothing for the kind none.
[[nodiscard]] std::string_view key_of(SelectorKind kind);

// The kind none for any other key.
[[nodiscard]] SelectorKind selector_kind_of(std::string_view key);

struct IdentitySelector {
  SelectorKind kind = SelectorKind::none;
  std::string value;

  friend bool operator==(const IdentitySelector&, const IdentitySelector&) = default;
};

// What a caller wants, free of the dialect it was asked in.
struct TokenRequest {
  std::string resource;  // decoded, otherwise exactly as sent
  IdentitySelector identity;
  bool bypass_cache = false;
  Holder asker = {};  // does not change what is asked for

  friend bool operator==(const TokenRequest&, const TokenRequest&) = default;
};

// 9999-12-31, the last second that four digits of a year can show.
inline constexpr std::int64_t kLastSecond = 253402300799;

// A token as IMDS issued it. Times are Unix seconds, up to kLastSecond.
struct Token {
  SecretString access_token;
  std::string token_type;
  std::string resource;
  std::string client_id;  // empty when IMDS did not say
  bool is_plain = false;  // the access token stands in JSON as it is; false where nobody has looked
  std::int64_t not_before = 0;
  std::int64_t expires_on = 0;
  std::optional<std::int64_t> expires_in = {};  // seconds left when IMDS answered, by IMDS's clock
};

// A final "no" of IMDS that the caller has to see: the request itself is at fault.
struct Refusal {
  unsigned status = 400;
  std::string body;  // one line of JSON
};

// Tokens are shared between callers; nobody changes one.
using TokenResponse = std::variant<std::shared_ptr<const Token>, Refusal>;

}  // namespace msi2imds::token
