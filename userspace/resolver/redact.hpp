// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace msi2imds::resolver {

inline constexpr std::string_view kRedacted = "[redacted]";

// Takes out of a command line what may be a secret, rather too much than too little: in an argument all that
// follows a name such as "password", and the argument after an option of such a name; what follows a user's
// name and the password's short option of well-known programs; what a URL has before its '@'; JSON web
// tokens; long runs of base64 or hexadecimal digits.
[[nodiscard]] std::vector<std::string> redact(const std::vector<std::string>& arguments);

}  // namespace msi2imds::resolver
