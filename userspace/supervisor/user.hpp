// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

#include "accounts/accounts.hpp"
#include "base/error.hpp"

namespace msi2imds::supervisor {

using accounts::User;

// The user that the responder runs as: any but root. The error says how to make it, or which of its ids
// our user namespace lacks.
[[nodiscard]] Result<User> find_user(std::string_view name,
                                     const std::string& passwd_file = accounts::kPasswdFile,
                                     const std::string& proc = "/proc");

}  // namespace msi2imds::supervisor
