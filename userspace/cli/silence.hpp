// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "base/error.hpp"

namespace msi2imds::cli {

// Whether it failed since this user may not do it: somebody who may could learn more.
[[nodiscard]] bool is_forbidden(const Error& error);

// Whether it failed since no msi2imds is there to be asked.
[[nodiscard]] bool nobody_listens(const Error& error);

// Its message, with what to do where it is forbidden.
[[nodiscard]] std::string with_advice(const Error& error);

// Why nobody has answered on the admin socket, for people, as far as this process may see it.
[[nodiscard]] std::string explain_silence(const Error& error, const std::string& admin_socket);

}  // namespace msi2imds::cli
