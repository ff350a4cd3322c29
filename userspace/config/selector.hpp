// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "config/document.hpp"
#include "config/kinds.hpp"
#include "token/token.hpp"

// How a table names an identity: by one of the keys client_id, object_id and msi_res_id.
namespace msi2imds::config {

// What is wrong with the name of an identity and what would be right, or nothing.
[[nodiscard]] std::optional<std::string> check_identity(const token::IdentitySelector& identity);

// The identity that a member of a table names, or nothing after a complaint. `identity` is what an earlier
// member has named: there may be one only.
[[nodiscard]] std::optional<token::IdentitySelector> read_selector(const Member& member,
                                                                   const token::IdentitySelector& identity,
                                                                   const Complain& complain);

// "{ client_id = "..." }", as a line of the configuration has it.
[[nodiscard]] std::string to_toml(const token::IdentitySelector& identity);

// A table with one of the keys, or the word "none".
struct IdentityName {
  [[nodiscard]] std::optional<token::IdentitySelector> read(const Value& value,
                                                            const Complain& complain) const;
  [[nodiscard]] Value write(const token::IdentitySelector& identity) const;
};

}  // namespace msi2imds::config
