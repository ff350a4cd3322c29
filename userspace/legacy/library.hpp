// SPDX-License-Identifier: MIT
#pragma once

#include "http/message.hpp"
#include "token/library.hpp"

namespace msi2imds::legacy {

// Which library has sent the request, by its User-Agent and its shape; a guess, and nothing is decided by it.
[[nodiscard]] token::Library recognize_library(const http::Request& request);

}  // namespace msi2imds::legacy
