// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "accounts/accounts.hpp"

// A user namespace (user_namespaces(7)) has only the ids that its maps name: no process can become another
// user, and no file can be given to one.
namespace msi2imds::accounts {

// Whether `id` is among those of /proc/self/uid_map or gid_map, whose text is `map`.
[[nodiscard]] bool is_mapped(std::uint32_t id, std::string_view map);

// Which of the user's ids our user namespace does not have: "uid 65534", "gid 65534" or "uid 65534 and gid
// 65534"; empty, if it has both.
[[nodiscard]] std::string unmapped_ids(const User& user, const std::string& proc = "/proc");

}  // namespace msi2imds::accounts
